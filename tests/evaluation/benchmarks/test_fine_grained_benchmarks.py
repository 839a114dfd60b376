"""Birds, cars, aircraft: CUB-200-2011, Stanford Cars, FGVC-Aircraft."""

import shutil
from pathlib import Path

import pytest
from benchmark_miniatures import cub, fgvc_aircraft, put, save_mat, stanford_cars, structs, write

from service.errors import BadRequest
from service.evaluation.benchmarks.registry import read_benchmark
from service.recognition.boxes import Box


def test_cub_reads_split_labels_boxes_and_masks(tmp_path: Path) -> None:
    cub(tmp_path)
    data = read_benchmark("cub-200-2011", tmp_path)
    assert data.spec.labels == ("Black footed Albatross", "Laysan Albatross")
    assert [one.label for one in data.pictures] == ["Black footed Albatross", "Laysan Albatross"]
    first = data.pictures[0]
    assert first.path.name == "Black_footed_Albatross_0002.jpg"
    assert first.box == Box(1, 2, 5, 7)
    assert first.mask == tmp_path / "segmentations/001.Black_footed_Albatross/Black_footed_Albatross_0002.png"
    train = read_benchmark("cub-200-2011", tmp_path / "CUB_200_2011", "train").pictures
    assert [one.path.name[-5] for one in train] == ["1", "2"]


def test_cub_does_without_segmentations_and_boxes(tmp_path: Path) -> None:
    cub(tmp_path)
    shutil.rmtree(tmp_path / "segmentations")
    (tmp_path / "CUB_200_2011" / "bounding_boxes.txt").unlink()
    assert {(one.box, one.mask) for one in read_benchmark("cub-200-2011", tmp_path).pictures} == {(None, None)}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("classes.txt", "1 001.A\n", "picture 3 has no split, or no label"),
        ("train_test_split.txt", "1 1\n2\n", "line 2: 2 words are expected"),
        ("bounding_boxes.txt", "1 a b c d\n", "the box of picture 1 is not four numbers"),
        ("images.txt", "2 001.A/absent.jpg\n", r"lists 1 pictures that are missing, the first .*absent\.jpg"),
    ],
)
def test_cub_errors_name_the_place(tmp_path: Path, file: str, text: str, message: str) -> None:
    cub(tmp_path)
    write(tmp_path / "CUB_200_2011" / file, text)
    with pytest.raises(BadRequest, match=message):
        read_benchmark("cub-200-2011", tmp_path)


def test_cub_names_the_table_that_is_missing(tmp_path: Path) -> None:
    cub(tmp_path)
    (tmp_path / "CUB_200_2011" / "image_class_labels.txt").unlink()
    with pytest.raises(BadRequest, match=r"image_class_labels\.txt is missing; expected: CUB_200_2011"):
        read_benchmark("cub-200-2011", tmp_path)


def test_cars_boxes_and_classes_count_from_one(tmp_path: Path) -> None:
    stanford_cars(tmp_path)
    data = read_benchmark("stanford-cars", tmp_path)
    assert data.spec.labels == ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012")
    assert [(one.label, one.box) for one in data.pictures] == [
        ("Ram C/V Cargo Van Minivan 2012", Box(0, 1, 8, 7)),
        ("AM General Hummer SUV 2000", Box(0, 0, 4, 4)),
    ]
    (train,) = read_benchmark("stanford-cars", tmp_path, "train").pictures
    assert train.path == tmp_path / "cars_train/00001.jpg"


def test_cars_in_folders(tmp_path: Path) -> None:
    put(tmp_path, "car_data/test/Audi R8 Coupe 2012/1.jpg", "car_data/test/Ram C-V Cargo Van Minivan 2012/2.jpg")
    data = read_benchmark("stanford-cars", tmp_path)
    assert data.spec.labels == ("Audi R8 Coupe 2012", "Ram C-V Cargo Van Minivan 2012")
    assert [one.box for one in data.pictures] == [None, None]


def test_cars_errors_name_the_file(tmp_path: Path) -> None:
    stanford_cars(tmp_path)
    table = tmp_path / "cars_test_annos_withlabels.mat"
    unlabelled = structs(("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "fname"), (1, 1, 4, 4, "00001.jpg"))
    save_mat(table, annotations=unlabelled)  # as the development kit's own list of the test pictures is
    with pytest.raises(BadRequest, match="an entry has no box, class and fname"):
        read_benchmark("stanford-cars", tmp_path)
    table.unlink()
    with pytest.raises(BadRequest, match=r"cars_test_annos_withlabels\.mat is missing"):
        read_benchmark("stanford-cars", tmp_path)
    (tmp_path / "devkit" / "cars_meta.mat").unlink()
    with pytest.raises(BadRequest, match=r"cars_meta\.mat is missing"):
        read_benchmark("stanford-cars", tmp_path)


@pytest.mark.parametrize(
    ("split", "labels"),
    [
        ("test", ("707-320", "F/A-18")),
        ("test-family", ("Boeing 707", "F/A-18")),
        ("test-manufacturer", ("Boeing", "McDonnell Douglas")),
    ],
)
def test_aircraft_are_named_at_three_levels(tmp_path: Path, split: str, labels: tuple[str, ...]) -> None:
    fgvc_aircraft(tmp_path)
    data = read_benchmark("fgvc-aircraft", tmp_path, split)
    assert data.spec.labels == labels
    assert tuple(one.label for one in data.pictures) == labels
    assert [one.box for one in data.pictures] == [Box(1, 2, 8, 7), None]


@pytest.mark.parametrize("split", ["train", "val", "trainval"])
def test_aircraft_have_other_splits(tmp_path: Path, split: str) -> None:
    fgvc_aircraft(tmp_path)
    assert [one.path.stem for one in read_benchmark("fgvc-aircraft", tmp_path / "data", split).pictures] == ["0037511"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("images_variant_test.txt", "0034309 Concorde\n", r"'Concorde' is not in variants\.txt"),
        ("images_box.txt", "0034309 1 2 3 x\n", "a box is not four numbers"),
        ("images_box.txt", "0034309 1 2 3 4 5\n", "a box is not four numbers"),
        ("images_variant_test.txt", "0000000 707-320\n", r"the first .*0000000\.jpg"),
    ],
)
def test_aircraft_errors_name_the_file(tmp_path: Path, file: str, text: str, message: str) -> None:
    fgvc_aircraft(tmp_path)
    write(tmp_path / "data" / file, text)
    with pytest.raises(BadRequest, match=message):
        read_benchmark("fgvc-aircraft", tmp_path)
