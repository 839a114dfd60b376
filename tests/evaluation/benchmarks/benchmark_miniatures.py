"""Every published layout in small: the real names of folders and files, two or three classes, pictures of 8 x 8."""

import io
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat


@cache
def tiny_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny_jpeg())


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def cells(*values: str) -> np.ndarray[Any, Any]:
    """A MATLAB cell array, as a column."""
    column = np.empty((len(values), 1), dtype=object)
    column[:, 0] = values
    return column


def structs(names: tuple[str, ...], *rows: tuple[object, ...]) -> np.ndarray[Any, Any]:
    """A MATLAB struct array."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for place, row in enumerate(rows):
        array[0, place] = row
    return array


def save_mat(path: Path, **variables: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)


def hard_imagenet(folder: Path) -> None:
    put(folder, "val/n03218198/ILSVRC2012_val_00000001.JPEG", "val/n04540053/ILSVRC2012_val_00000002.JPEG")
    put(folder, "val/n01440764/ILSVRC2012_val_00000293.JPEG")  # a tench: none of the 15
    put(folder, "hardImageNet/val/n03218198_ILSVRC2012_val_00000001.JPEG")
    put(folder, "HIN-LT/volleyball/snow.jpg", "HIN-LT/bathing_cap/desert.jpg", "masks/hin_lt/volleyball/snow.png")
    put(folder, "constant/n04251144/white.jpg")


def stanford_dogs(folder: Path) -> None:
    breeds = ("n02085620-Chihuahua", "n02086240-Shih-Tzu", "n02105855-Shetland_sheepdog")
    files = [f"{breed}/{breed[:9]}_{number}.jpg" for breed in breeds for number in (1, 2)]
    put(folder / "Images", *files)
    save_mat(folder / "lists" / "test_list.mat", file_list=cells(*files[::2]), labels=np.array([[1], [2], [3]]))
    save_mat(folder / "lists" / "train_list.mat", file_list=cells(*files[1::2]), labels=np.array([[1], [2], [3]]))
    objects = "".join(
        f"<bndbox>\n<xmin>{x0}</xmin>\n<ymin>1</ymin>\n<xmax>{x1}</xmax>\n<ymax>6</ymax>\n</bndbox>\n"
        for x0, x1 in ((0, 2), (3, 7))
    )
    write(folder / "Annotation" / breeds[0] / "n02085620_1", f"<annotation>{objects}</annotation>")


def spawrious(folder: Path) -> None:
    test = {"bulldog": "dirt", "corgi": "jungle", "dachshund": "snow", "labrador": "desert"}
    training = {"bulldog": "desert", "corgi": "snow", "dachshund": "jungle", "labrador": "dirt"}
    for environment in ("0", "1"):
        for backgrounds in (test, training):
            for breed, background in backgrounds.items():
                put(folder / "spawrious224" / environment / background / breed, f"{breed}_{background}.png")


def counter_animal(folder: Path) -> None:
    root = folder / "LAION-final"
    put(root, "296 ice bear/common-snow/1.jpg", "296 ice bear/common-snow/2.JPG", "296 ice bear/counter-grass/3.jpg")
    put(root, "100 black_swan/common-water/4.jpeg", "100 black_swan/counter-earth/5.jpg")
    write(root / "imagenet_names.txt", "0\ttench\n")


def fungitastic(folder: Path) -> None:
    head = "filename,category_id,species,habitat,substrate,month,latitude\n"
    tables = folder / "metadata" / "FungiTastic-Mini"
    write(tables / "FungiTastic-Mini-Train.csv", head + "0.JPG,0,Russula emetica,,,9,55.1\n")
    rows = "1.JPG,1,Amanita muscaria,Mixed woodland,soil,10.0,55.2\n2.JPG,2,Boletus  edulis,,,,\n"
    write(tables / "FungiTastic-Mini-ClosedSet-Test.csv", head + rows)
    put(folder / "FungiTastic-Mini", "train/300p/0.JPG", "test/300p/1.JPG", "test/300p/2.JPG")
    put(folder / "FungiTastic-Mini" / "test" / "500p", "1.JPG", "2.JPG")


def imagenet(folder: Path) -> None:
    put(folder, "val/n01440764/ILSVRC2012_val_00000293.JPEG", "val/n04355933/ILSVRC2012_val_00000009.JPEG")
    rows = "ILSVRC2012_val_00000293,n01440764 1 2 3 4 n01440764 0 0 8 6 \nILSVRC2012_val_00000009,n04355933 3 3 3 5 \n"
    write(folder / "LOC_val_solution.csv", "ImageId,PredictionString\n" + rows)


def imagenet9(folder: Path) -> None:
    root = folder / "bg_challenge"
    mixed = "fg_n02085620_16757_bg_n01532829_06835.JPEG"
    put(root, "original/val/00_dog/n02085620_16757.JPEG", f"mixed_rand/val/00_dog/{mixed}")
    put(root, "original/val/02_wheeled vehicle/n03100240_00001.JPEG", "only_bg_t/val/00_dog/n02085620_16757.JPEG")


def cub(folder: Path) -> None:
    root = folder / "CUB_200_2011"
    classes = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    files = [f"{name}/{name[4:]}_000{number}.jpg" for name in classes for number in (1, 2)]
    put(root / "images", *files)
    put(folder / "segmentations", *(file.replace(".jpg", ".png") for file in files))
    write(root / "classes.txt", "".join(f"{number} {name}\n" for number, name in enumerate(classes, 1)))
    write(root / "images.txt", "".join(f"{number} {file}\n" for number, file in enumerate(files, 1)))
    write(root / "image_class_labels.txt", "1 1\n2 1\n3 2\n4 2\n")
    write(root / "train_test_split.txt", "1 1\n2 0\n3 0\n4 1\n")
    write(root / "bounding_boxes.txt", "".join(f"{number} 1.0 2.0 4.0 5.0\n" for number in range(1, 5)))


def stanford_cars(folder: Path) -> None:
    names = ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012")
    keys = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
    put(folder, "cars_test/00001.jpg", "cars_test/00002.jpg", "cars_train/00001.jpg")
    save_mat(folder / "devkit" / "cars_meta.mat", class_names=cells(*names).T)
    test = structs(keys, (1, 2, 8, 7, 2, "00001.jpg"), (1, 1, 4, 4, 1, "00002.jpg"))
    save_mat(folder / "cars_test_annos_withlabels.mat", annotations=test)
    train = structs(keys, (2, 2, 6, 6, 1, "00001.jpg"))
    save_mat(folder / "devkit" / "cars_train_annos.mat", annotations=train)


def fgvc_aircraft(folder: Path) -> None:
    root = folder / "data"
    put(root / "images", "0034309.jpg", "0034958.jpg", "0037511.jpg")
    write(root / "variants.txt", "707-320\nF/A-18\n")
    write(root / "families.txt", "Boeing 707\nF/A-18\n")
    write(root / "manufacturers.txt", "Boeing\nMcDonnell Douglas\n")
    write(root / "images_variant_test.txt", "0034309 707-320\n0034958 F/A-18\n")
    write(root / "images_family_test.txt", "0034309 Boeing 707\n0034958 F/A-18\n")
    write(root / "images_manufacturer_test.txt", "0034309 Boeing\n0034958 McDonnell Douglas\n")
    for split in ("train", "val", "trainval"):
        write(root / f"images_variant_{split}.txt", "0037511 707-320\n")
    write(root / "images_box.txt", "0034309 2 3 8 7\n")


MINIATURES: Mapping[str, Callable[[Path], None]] = {
    "hard-imagenet": hard_imagenet,
    "stanford-dogs": stanford_dogs,
    "spawrious": spawrious,
    "counter-animal": counter_animal,
    "fungitastic": fungitastic,
    "imagenet-1k": imagenet,
    "imagenet-9": imagenet9,
    "cub-200-2011": cub,
    "stanford-cars": stanford_cars,
    "fgvc-aircraft": fgvc_aircraft,
}
