"""ImageNet-1k and the sets made of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from benchmark_miniatures import hard_imagenet, imagenet, imagenet9, put, save_mat, structs, write
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequest
from service.evaluation.benchmarks.layout import largest
from service.evaluation.benchmarks.registry import read_benchmark
from service.evaluation.labelled import Labelled
from service.models.imagenet_names import imagenet_classes
from service.recognition.boxes import Box

FILE = "ILSVRC2012_val_00000293.JPEG"


def by_name(folder: Path, name: str, split: str | None = None) -> dict[str, Labelled]:
    return {picture.path.name: picture for picture in read_benchmark(name, folder, split).pictures}


def test_imagenet_in_folders_has_all_classes_and_the_largest_box(tmp_path: Path) -> None:
    imagenet(tmp_path)
    data = read_benchmark("imagenet-1k", tmp_path)
    assert len(data.spec.classes) == 1000
    tench, sunglass = sorted(data.pictures, key=lambda picture: -picture.path.name.count("293"))
    assert (tench.label, tench.box) == ("tench", Box(0, 0, 8, 6))
    assert (sunglass.label, sunglass.box) == ("sunglass", None)  # its only box has no width


def test_imagenet_is_also_found_when_the_folder_is_that_of_the_classes(tmp_path: Path) -> None:
    put(tmp_path, f"n01440764/{FILE}")
    assert by_name(tmp_path, "imagenet-1k")[FILE].label == "tench"


def test_flat_imagenet_is_labelled_by_the_competition_table(tmp_path: Path) -> None:
    put(tmp_path, f"ILSVRC/Data/CLS-LOC/val/{FILE}")
    write(tmp_path / "LOC_val_solution.csv", f"ImageId,PredictionString\n{FILE[:-5]},n01440764 1 2 3 4 \n")
    picture = by_name(tmp_path, "imagenet-1k")[FILE]
    assert (picture.label, picture.box) == ("tench", Box(1, 2, 3, 4))


def test_flat_imagenet_is_labelled_by_the_development_kit(tmp_path: Path) -> None:
    put(tmp_path, "val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000002.JPEG")
    kit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    write(kit / "ILSVRC2012_validation_ground_truth.txt", "2\n1\n")
    synsets = structs(("ILSVRC2012_ID", "WNID"), (1, "n01440764"), (2, "n01443537"))
    save_mat(kit / "meta.mat", synsets=synsets)
    assert [one.label for one in read_benchmark("imagenet-1k", tmp_path).pictures] == ["goldfish", "tench"]
    write(kit / "ILSVRC2012_validation_ground_truth.txt", "3\n1\n")
    with pytest.raises(BadRequest, match="do not belong together"):
        read_benchmark("imagenet-1k", tmp_path)


def test_a_picture_without_a_label_is_named(tmp_path: Path) -> None:
    put(tmp_path, f"val/{FILE}")
    with pytest.raises(BadRequest, match=r"ILSVRC2012_validation_ground_truth\.txt is missing"):
        read_benchmark("imagenet-1k", tmp_path)
    write(tmp_path / "LOC_val_solution.csv", "ImageId,PredictionString\nanother,n01440764 1 2 3 4\n")
    with pytest.raises(BadRequest, match=f"{FILE} has no label"):
        read_benchmark("imagenet-1k", tmp_path)


def test_a_folder_that_is_no_class_of_imagenet_is_named(tmp_path: Path) -> None:
    put(tmp_path, "val/n00000001/1.JPEG")
    with pytest.raises(BadRequest, match="'n00000001' is no WordNet id"):
        read_benchmark("imagenet-1k", tmp_path)


@pytest.mark.parametrize("row", ["a,n01440764 1 2 3", "a,n01440764 1 2 3 x", "a,", "a"])
def test_a_broken_row_of_boxes_is_named_by_its_number(tmp_path: Path, row: str) -> None:
    put(tmp_path, f"val/{FILE}")
    write(tmp_path / "LOC_val_solution.csv", f"ImageId,PredictionString\n{row}\n")
    with pytest.raises(BadRequest, match="row 1"):
        read_benchmark("imagenet-1k", tmp_path)


boxes = st.builds(Box, st.just(0.0), st.just(0.0), st.integers(1, 50), st.integers(1, 50))


@given(st.lists(boxes | st.none(), max_size=6), st.randoms())
def test_the_largest_box_does_not_depend_on_the_order(some: list[Box | None], random: object) -> None:
    box = largest(some)
    areas = [one.area for one in some if one]
    assert (box.area if box else None) == max(areas, default=None)


def test_hard_imagenet_takes_its_15_classes_and_their_masks(tmp_path: Path) -> None:
    hard_imagenet(tmp_path)
    data = read_benchmark("hard-imagenet", tmp_path, "original")
    assert len(data.spec.classes) == 15
    assert set(data.spec.labels) <= set(imagenet_classes().values())
    assert [(one.label, one.part) for one in data.pictures] == [("dog sled", "original"), ("volleyball", "original")]
    sled, volleyball = data.pictures
    assert sled.mask == tmp_path / "hardImageNet/val/n03218198_ILSVRC2012_val_00000001.JPEG"
    assert volleyball.mask is None


def test_hard_imagenets_further_test_sets_are_parts(tmp_path: Path) -> None:
    hard_imagenet(tmp_path)
    pictures = by_name(tmp_path, "hard-imagenet")
    assert {name: (one.part, one.label) for name, one in pictures.items() if not name.startswith("ILSVRC")} == {
        "snow.jpg": ("long_tail", "volleyball"),
        "desert.jpg": ("long_tail", "swimming cap"),
        "white.jpg": ("constant", "snorkel"),
    }
    assert pictures["snow.jpg"].mask == tmp_path / "masks/hin_lt/volleyball/snow.png"
    assert by_name(tmp_path, "hard-imagenet", "constant").keys() == {"white.jpg"}


def test_hard_imagenets_masks_may_lie_among_the_pictures(tmp_path: Path) -> None:
    put(tmp_path, "HardImageNet_Images/val/n03218198/a.JPEG", "HardImageNet_Images/val/n03218198_a.JPEG")
    (picture,) = read_benchmark("hard-imagenet", tmp_path).pictures
    assert picture.mask == tmp_path / "HardImageNet_Images/val/n03218198_a.JPEG"


def test_a_part_of_hard_imagenet_that_is_not_there_is_named(tmp_path: Path) -> None:
    hard_imagenet(tmp_path)
    shutil.rmtree(tmp_path / "constant")
    assert {picture.part for picture in read_benchmark("hard-imagenet", tmp_path).pictures} == {"original", "long_tail"}
    with pytest.raises(BadRequest, match="constant is missing"):
        read_benchmark("hard-imagenet", tmp_path, "constant")


def test_a_folder_that_is_no_class_of_hard_imagenet_is_named(tmp_path: Path) -> None:
    hard_imagenet(tmp_path)
    put(tmp_path, "constant/teapot/1.jpg")
    with pytest.raises(BadRequest, match="teapot is named by none of the classes balance beam"):
        read_benchmark("hard-imagenet", tmp_path)


def test_the_published_masks_alone_are_no_pictures(tmp_path: Path) -> None:
    put(tmp_path, "val/n03218198_ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(BadRequest, match="val is missing"):
        read_benchmark("hard-imagenet", tmp_path)


def test_imagenet_9_pairs_the_same_object_on_other_backgrounds(tmp_path: Path) -> None:
    imagenet9(tmp_path)
    pictures = read_benchmark("imagenet-9", tmp_path).pictures
    assert [(one.part, one.label, one.source) for one in pictures] == [
        ("original", "dog", "n02085620_16757"),
        ("original", "wheeled vehicle", "n03100240_00001"),
        ("mixed_rand", "dog", "n02085620_16757"),
        ("only_bg_t", "dog", ""),  # the object is not in it
    ]


def test_imagenet_9_can_be_read_variant_by_variant_and_from_within(tmp_path: Path) -> None:
    imagenet9(tmp_path)
    data = read_benchmark("imagenet-9", tmp_path / "bg_challenge", "mixed_rand")
    assert {picture.part for picture in data.pictures} == {"mixed_rand"}
    assert len(data.spec.classes) == 9
    with pytest.raises(BadRequest, match="no_fg is missing"):
        read_benchmark("imagenet-9", tmp_path, "no_fg")


def test_an_unknown_class_folder_of_imagenet_9_is_named(tmp_path: Path) -> None:
    imagenet9(tmp_path)
    put(tmp_path, "bg_challenge/original/val/09_plant/n1_2.JPEG")
    with pytest.raises(BadRequest, match="09_plant is named by none of the classes dog, bird"):
        read_benchmark("imagenet-9", tmp_path)


def test_a_broken_matlab_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "val/ILSVRC2012_val_00000001.JPEG")
    kit = tmp_path / "devkit" / "data"
    write(kit / "ILSVRC2012_validation_ground_truth.txt", "1\n")
    write(kit / "meta.mat", "not MATLAB's")
    with pytest.raises(BadRequest, match=r"meta\.mat cannot be read"):
        read_benchmark("imagenet-1k", tmp_path)
    save_mat(kit / "meta.mat", other=np.zeros(1))
    with pytest.raises(BadRequest, match=r"meta\.mat cannot be read: 'synsets'"):
        read_benchmark("imagenet-1k", tmp_path)
