"""Dogs, animals and mushrooms: Stanford Dogs, Spawrious, CounterAnimal, FungiTastic."""

from pathlib import Path

import numpy as np
import pytest
from benchmark_miniatures import cells, counter_animal, fungitastic, put, save_mat, spawrious, stanford_dogs, write

from service.errors import BadRequest
from service.evaluation.benchmarks.registry import read_benchmark
from service.evaluation.benchmarks.spawrious import CLASSES, SETS
from service.recognition.boxes import Box


def test_stanford_dogs_reads_the_lists_and_names_the_breeds(tmp_path: Path) -> None:
    stanford_dogs(tmp_path)
    test = read_benchmark("stanford-dogs", tmp_path)
    assert test.spec.labels == ("Chihuahua", "Shih-Tzu", "Shetland sheepdog")
    assert [one.label for one in test.pictures] == ["Chihuahua", "Shih-Tzu", "Shetland sheepdog"]
    assert {one.path.name[-5] for one in test.pictures} == {"1"}
    assert {one.path.name[-5] for one in read_benchmark("stanford-dogs", tmp_path, "train").pictures} == {"2"}
    assert len(read_benchmark("stanford-dogs", tmp_path, "all").pictures) == 6


def test_stanford_dogs_takes_the_largest_annotated_dog(tmp_path: Path) -> None:
    stanford_dogs(tmp_path)
    first, second, _ = read_benchmark("stanford-dogs", tmp_path).pictures
    assert first.box == Box(3, 1, 7, 6)
    assert second.box is None


def test_stanford_dogs_with_a_list_of_one_beside_the_pictures(tmp_path: Path) -> None:
    put(tmp_path, "Images/n1-Beagle/n1_1.jpg")
    save_mat(tmp_path / "test_list.mat", file_list=cells("n1-Beagle/n1_1.jpg"), labels=np.array([[1]]))
    assert [one.label for one in read_benchmark("stanford-dogs", tmp_path).pictures] == ["Beagle"]


def test_stanford_dogs_errors_name_the_file(tmp_path: Path) -> None:
    put(tmp_path, "Images/n1-Beagle/n1_1.jpg")
    with pytest.raises(BadRequest, match=r"lists/test_list\.mat is missing"):
        read_benchmark("stanford-dogs", tmp_path)
    save_mat(tmp_path / "test_list.mat", file_list=cells("n1-Beagle/n1_1.jpg", "n1-Beagle/n1_2.jpg"))
    with pytest.raises(BadRequest, match=r"lists 1 pictures that are missing, the first .*n1_2\.jpg"):
        read_benchmark("stanford-dogs", tmp_path)
    write(tmp_path / "Annotation" / "n1-Beagle" / "n1_1", "<bndbox><xmin>1</xmin></bndbox>")
    with pytest.raises(BadRequest, match="n1_1 holds no box"):
        read_benchmark("stanford-dogs", tmp_path, "all")
    put(tmp_path, "Images/beagles/1.jpg")
    with pytest.raises(BadRequest, match="beagles is not named"):
        read_benchmark("stanford-dogs", tmp_path, "all")


def test_spawrious_takes_each_breed_on_its_test_background(tmp_path: Path) -> None:
    spawrious(tmp_path)
    pictures = read_benchmark("spawrious", tmp_path).pictures
    found = {(one.label, one.part) for one in pictures}
    assert found == {("bulldog", "dirt"), ("corgi", "jungle"), ("dachshund", "snow"), ("labrador", "desert")}
    assert len(pictures) == 8  # both environments


def test_spawrious_trains_in_one_environment_on_other_backgrounds(tmp_path: Path) -> None:
    spawrious(tmp_path)
    test = {(one.label, one.part) for one in read_benchmark("spawrious", tmp_path).pictures}
    pictures = read_benchmark("spawrious", tmp_path, "o2o-easy-train").pictures
    assert len(pictures) == 4
    assert not test & {(one.label, one.part) for one in pictures}
    assert len(read_benchmark("spawrious", tmp_path / "spawrious224", "all").pictures) == 16


@pytest.mark.parametrize("name", SETS)
def test_spawrious_sets_give_every_breed_a_background(name: str) -> None:
    environments, backgrounds = SETS[name]
    assert set(environments) <= {"0", "1"}
    assert len(backgrounds) == len(CLASSES)
    assert len({place for of_class in backgrounds for place in of_class}) == 4


def test_spawrious_names_the_folder_that_is_missing(tmp_path: Path) -> None:
    spawrious(tmp_path)
    with pytest.raises(BadRequest, match="spawrious224/0/mountain/bulldog is missing"):
        read_benchmark("spawrious", tmp_path, "o2o-hard")


def test_counter_animal_splits_common_from_rare(tmp_path: Path) -> None:
    counter_animal(tmp_path)
    data = read_benchmark("counter-animal", tmp_path)
    assert set(data.spec.labels) == {"ice bear", "black swan"}
    assert {(one.label, one.part, one.metadata["background"]) for one in data.pictures} == {
        ("ice bear", "common", "snow"),
        ("ice bear", "rare", "grass"),
        ("black swan", "common", "water"),
        ("black swan", "rare", "earth"),
    }
    rare = read_benchmark("counter-animal", tmp_path / "LAION-final", "rare")
    assert [one.path.name for one in rare.pictures] == ["5.jpg", "3.jpg"]
    assert rare.spec == data.spec


def test_counter_animal_understands_its_papers_other_words(tmp_path: Path) -> None:
    put(tmp_path, "1 goldfish/easy/1.jpg", "1 goldfish/Hard-ice/2.jpg")
    pictures = read_benchmark("counter-animal", tmp_path).pictures
    assert {(one.part, *one.metadata.values()) for one in pictures} == {("common",), ("rare", "ice")}


@pytest.mark.parametrize("name", ["grass-1", "_grass"])
def test_counter_animal_names_a_group_it_does_not_know(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"1 goldfish/{name}/1.jpg")
    with pytest.raises(BadRequest, match="begins with none of common, easy"):
        read_benchmark("counter-animal", tmp_path)


def test_fungitastic_keeps_the_metadata_of_its_priors(tmp_path: Path) -> None:
    fungitastic(tmp_path)
    data = read_benchmark("fungitastic", tmp_path)
    assert data.spec.labels == ("Amanita muscaria", "Boletus edulis", "Russula emetica")  # of the training table too
    first, second = data.pictures
    assert (first.label, first.path.parent.name) == ("Amanita muscaria", "500p")
    assert first.metadata == {"habitat": "Mixed woodland", "substrate": "soil", "month": "10"}
    assert (second.label, second.metadata) == ("Boletus edulis", {})
    assert [one.label for one in read_benchmark("fungitastic", tmp_path, "train").pictures] == ["Russula emetica"]


def test_fungitastic_species_outside_the_closed_set_are_none_of_the_classes(tmp_path: Path) -> None:
    tables = tmp_path / "FungiTastic" / "metadata" / "FungiTastic-Mini"
    rows = "1.JPG,-1,Rara avis\n2.JPG,4,Amanita muscaria\n"
    write(tables / "FungiTastic-Mini-DNA-Test.csv", f"filename,category_id,scientificName\n{rows}")
    put(tmp_path / "FungiTastic" / "FungiTastic-Mini" / "dna-test" / "300p", "1.JPG", "2.JPG")
    data = read_benchmark("fungitastic", tmp_path, "dna")
    assert data.spec.labels == ("Amanita muscaria",)
    assert [one.label for one in data.pictures] == ["", "Amanita muscaria"]


def test_fungitastic_errors_name_the_file(tmp_path: Path) -> None:
    fungitastic(tmp_path)
    with pytest.raises(BadRequest, match=r"FungiTastic-Mini-Val\.csv is missing"):
        read_benchmark("fungitastic", tmp_path, "val")
    table = write(tmp_path / "metadata" / "FungiTastic-Mini" / "FungiTastic-Mini-Val.csv", "filename,genus\na,b\n")
    with pytest.raises(BadRequest, match=r"Val\.csv has no rows, or no columns filename and species"):
        read_benchmark("fungitastic", tmp_path, "val")
    write(table, "filename,species\n9.JPG,Russula emetica\n")
    with pytest.raises(BadRequest, match=r"test/720p is missing|val/720p is missing"):
        read_benchmark("fungitastic", tmp_path, "val")
    put(tmp_path, "FungiTastic-Mini/val/300p/8.JPG")
    with pytest.raises(BadRequest, match=r"the first .*9\.JPG"):
        read_benchmark("fungitastic", tmp_path, "val")
    write(table, f'filename,species\n"{"9" * 200_000}\n')
    with pytest.raises(BadRequest, match=r"Val\.csv cannot be read"):
        read_benchmark("fungitastic", tmp_path, "val")
    table.write_bytes(b"filename,species\n\xff\xfe,x\n")
    with pytest.raises(BadRequest, match=r"Val\.csv cannot be read"):
        read_benchmark("fungitastic", tmp_path, "val")
