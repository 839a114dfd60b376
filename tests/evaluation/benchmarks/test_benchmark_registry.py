"""What holds for every benchmark."""

from pathlib import Path

import pytest
from benchmark_miniatures import MINIATURES, write

from service.datasets.spec import check_dataset_name
from service.errors import BadRequest, InvalidFields
from service.evaluation.benchmarks.registry import BENCHMARKS, read_benchmark

PROMPTS = {  # appendix B.1; the last three are this project's
    "stanford-dogs": ("full dog",),
    "spawrious": ("full dog",),
    "fungitastic": ("mushroom",),
    "counter-animal": ("animal", "bird", "insect", "reptile"),
    "cub-200-2011": ("bird",),
    "stanford-cars": ("car",),
    "fgvc-aircraft": ("airplane",),
}
each_benchmark = pytest.mark.parametrize("name", BENCHMARKS)


def test_every_benchmark_has_a_miniature() -> None:
    assert set(MINIATURES) == set(BENCHMARKS)


@each_benchmark
def test_its_pictures_exist_and_have_labels_of_its_classes(name: str, tmp_path: Path) -> None:
    MINIATURES[name](tmp_path)
    data = read_benchmark(name, tmp_path)
    assert data.pictures
    assert len({picture.path for picture in data.pictures}) == len(data.pictures)
    for picture in data.pictures:
        assert picture.path.is_file()
        assert picture.mask is None or picture.mask.is_file()
        assert picture.label in data.spec.labels
        assert picture.accepted == {picture.label}


@each_benchmark
def test_it_is_asked_as_the_paper_asks(name: str, tmp_path: Path) -> None:
    MINIATURES[name](tmp_path)
    spec = read_benchmark(name, tmp_path).spec
    assert spec.templates == ("A photo of a {}",)
    assert spec.localizer_prompts == PROMPTS.get(name, ())
    assert spec.localizer_prompt_mode == ("averaged" if name == "counter-animal" else None)
    check_dataset_name(name)


@each_benchmark
def test_the_first_split_is_the_default(name: str, tmp_path: Path) -> None:
    MINIATURES[name](tmp_path)
    assert read_benchmark(name, tmp_path) == read_benchmark(name, tmp_path, BENCHMARKS[name].splits[0])


@each_benchmark
def test_an_empty_folder_is_refused_with_the_expected_layout(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as error:
        read_benchmark(name, tmp_path)
    assert str(tmp_path) in error.value.detail
    assert BENCHMARKS[name].layout in error.value.detail


@each_benchmark
def test_a_folder_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="is no folder"):
        read_benchmark(name, write(tmp_path / "table.csv", "path,label\n"))


@each_benchmark
def test_a_layout_without_pictures_is_refused(name: str, tmp_path: Path) -> None:
    MINIATURES[name](tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            path.unlink()
    with pytest.raises(BadRequest, match=r"holds no pictures|that are missing|is missing"):
        read_benchmark(name, tmp_path)


@each_benchmark
def test_other_files_beside_the_pictures_do_no_harm(name: str, tmp_path: Path) -> None:
    MINIATURES[name](tmp_path)
    before = read_benchmark(name, tmp_path)
    for folder in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        write(folder / "Thumbs.db", "")
        write(folder / "._hidden.jpg", "")
    assert read_benchmark(name, tmp_path) == before


@each_benchmark
def test_an_unknown_split_is_refused_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidFields, match=f"known: {', '.join(BENCHMARKS[name].splits)}") as error:
        read_benchmark(name, tmp_path, "holdout")
    assert error.value.problems[0].field == "split"
    assert error.value.problems[0].allowed == BENCHMARKS[name].splits


def test_an_unknown_benchmark_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidFields, match="stanford-dogs") as error:
        read_benchmark("stanford_dogs", tmp_path)
    assert error.value.problems[0].field == "benchmark"
    assert error.value.problems[0].allowed == tuple(BENCHMARKS)


@each_benchmark
def test_it_says_whose_it_is(name: str) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert benchmark.summary
    assert "20" in benchmark.terms  # the year
