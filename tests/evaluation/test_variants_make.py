"""Whole data sets of tiny pictures: what is in the files, in the tables, and what is left out."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from variant_pictures import BOX, collection, load, object_mask, pixels, save  # type: ignore[import-not-found]

from service.errors import BadRequest, InvalidFields
from service.evaluation.labelled import Labelled, read_labelled
from service.evaluation.variants import DEFAULT_KINDS, VARIANTS, make_variants
from service.evaluation.variants.compositing import fitted, only_bg_t
from service.evaluation.variants.looking import look
from service.evaluation.variants.subjects import Task
from service.recognition.boxes import Box
from service.recognition.views import Mask, Pixels, Scene


def rows(out: Path, name: str = "variants.csv") -> list[dict[str, str]]:
    with (out / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reasons(out: Path) -> dict[str, str]:
    return {Path(row["path"]).name: row["reason"] for row in rows(out, "skipped.csv")}


def test_every_kind_shows_what_it_says(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in"), tmp_path / "out"
    summary = make_variants(pictures, out)
    assert (summary.pictures, summary.made, summary.skipped) == (dict.fromkeys(DEFAULT_KINDS, 9), 72, ())
    by_name = {f"{picture.label}/{picture.path.stem}": load(picture.path) for picture in pictures}
    for row in rows(out):
        rgb = by_name[row["source"]]
        height, width = rgb.shape[:2]
        made, mask = load(out / row["path"]), object_mask(width, height)
        assert row["path"] == f"{row['part']}/{row['source']}.png"
        if row["part"].startswith("mixed"):
            assert row["background"] != row["source"]
            behind = fitted(only_bg_t(Scene(by_name[row["background"]], BOX)), width, height)
            expected = np.where(mask[..., None], rgb, behind)
        else:
            assert not row["background"]
            expected = VARIANTS[row["part"]].make(Scene(rgb, BOX, mask), None)
        assert (made == expected).all(), row


def test_backgrounds_are_of_the_classes_that_their_kind_names(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_variants(collection(tmp_path / "in", each=4), out, adversarial=5)
    following = {"bird": "cat", "cat": "dog", "dog": "bird"}
    adversarial: dict[str, list[str]] = {}
    random = set()
    for row in rows(out):
        behind = row["background"].split("/")[0]
        if row["part"] == "mixed_same":
            assert behind == row["label"]
        elif row["part"] == "mixed_next":
            assert behind == following[row["label"]]
        elif row["part"] == "mixed_rand":
            random.add((row["label"], behind))
        elif row["part"] == "mixed_adversarial":
            assert behind != row["label"]
            adversarial.setdefault(row["source"], []).append(row["background"])
    assert len(adversarial) == 12
    assert all(len(set(behind)) == len(behind) == 5 for behind in adversarial.values())
    assert {label == behind for label, behind in random} == {True, False}  # its own class is one of them


def test_the_table_is_read_by_an_evaluation(tmp_path: Path) -> None:
    first, *others = collection(tmp_path / "in")
    first = replace(first, accepted=frozenset({"bird", "sparrow"}), metadata={"month": "5"}, source="my bird")
    out = tmp_path / "out"
    summary = make_variants([first, *others], out)
    read = read_labelled(summary.table)
    assert Counter(picture.part for picture in read) == dict.fromkeys(DEFAULT_KINDS, 9)
    for picture in read:
        assert picture.path.is_file()
        shown = picture.part not in ("only_bg_b", "only_bg_t", "no_fg")
        assert picture.box == (BOX if shown else None)
        assert (picture.mask is not None) == shown
        if picture.mask:
            height, width = load(picture.path).shape[:2]
            assert (load(picture.mask).any(axis=2) == object_mask(width, height)).all()
        if picture.source == "my bird":
            assert picture.accepted == {"bird", "sparrow"}
            assert picture.metadata == {"month": "5"}


def test_only_what_is_asked_for_is_made(tmp_path: Path) -> None:
    summary = make_variants(collection(tmp_path / "in"), tmp_path / "out", ["only_fg", "original"])
    assert summary.pictures == {"original": 9, "only_fg": 9}
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"masks", "only_fg", "original"}


def test_jpegs_are_close_to_the_pixels(tmp_path: Path) -> None:
    smooth = np.linspace(40, 200, 32 * 24 * 3).reshape(24, 32, 3).astype(np.uint8)
    path = save(tmp_path / "a.png", smooth)
    make_variants([Labelled(path, "a")], tmp_path / "out", ["original"], picture_format="jpeg")
    made = tmp_path / "out/original/a/a.jpg"
    assert made.read_bytes().startswith(b"\xff\xd8")
    assert np.abs(load(made).astype(int) - smooth).max() <= 4


def test_an_object_with_a_box_alone_is_hidden_by_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", pixels(24, 18, 1))
    out = tmp_path / "out"
    make_variants([Labelled(path, "a", box=Box(6.4, 5.2, 13.5, 11.1))], out, ["only_bg_b"])
    black = (load(out / "only_bg_b/a/a.png") == 0).all(axis=2)
    assert (black.sum(), black[5:12, 6:14].all()) == (7 * 8, True)  # every pixel that the box touches


def test_a_given_box_grows_until_it_holds_a_given_mask(tmp_path: Path) -> None:
    path, mask = save(tmp_path / "a.png", pixels(24, 18, 1)), save(tmp_path / "m.png", object_mask(24, 18))
    out = tmp_path / "out"
    make_variants([Labelled(path, "a", box=Box(8, 2, 12, 7), mask=mask)], out, ["original"])
    assert [rows(out)[0][edge] for edge in ("x0", "y0", "x1", "y1")] == ["6.0", "2.0", "14.0", "12.0"]


def test_boxes_and_masks_follow_a_huge_picture_that_is_decoded_smaller(tmp_path: Path) -> None:
    path, kept = tmp_path / "a.jpg", tmp_path / "kept.png"
    Image.new("L", (6000, 2700), 99).save(path)
    mask = np.zeros((2700, 6000), np.bool_)
    mask[1000:2000, 400:1600] = True
    task = Task(path, Box(400, 1000, 1600, 2000), save(tmp_path / "m.png", mask), "mask", kept, "")
    assert vars(look(task))["box"] == Box(200, 500, 800, 1000)
    shown = load(kept).any(axis=2)
    assert (shown.shape, shown.sum(), shown[500:1000, 200:800].all()) == ((1350, 3000), 500 * 600, True)


class Finds:
    """Finds the test's object; remembers what it was asked."""

    def __init__(self, mask: Mask | None = None) -> None:
        self.mask = mask
        self.asked: list[Box | None] = []

    def __call__(self, rgb: Pixels, box: Box | None) -> tuple[Box, Mask] | None:
        self.asked.append(box)
        height, width = rgb.shape[:2]
        return BOX, object_mask(width, height) if self.mask is None else self.mask


def test_objects_without_a_mask_are_found(tmp_path: Path) -> None:
    pictures = [replace(picture, mask=None) for picture in collection(tmp_path / "in")]
    masked = collection(tmp_path / "in")[0]
    boxed = replace(pictures[1], box=Box(8, 6, 12, 10))
    finds, out = Finds(), tmp_path / "out"
    make_variants([masked, boxed, *pictures[2:]], out, mask_of=finds)
    assert Counter(finds.asked) == {Box(8, 6, 12, 10): 1, None: 7}
    assert load(out / "only_fg/bird/0.png").any(axis=2).sum() == object_mask(24, 18).sum()
    shown = load(out / "only_fg/bird/1.png").any(axis=2)
    assert (shown.sum(), shown[6:10, 8:12].all()) == (16, True)  # a found mask ends at the box


def test_a_box_is_not_looked_for_where_none_is_needed(tmp_path: Path) -> None:
    pictures = [replace(picture, mask=None, box=BOX) for picture in collection(tmp_path / "in")]
    finds = Finds()
    make_variants(pictures, tmp_path / "out", ["original", "only_bg_b", "only_bg_t"], mask_of=finds)
    make_variants([replace(picture, box=None) for picture in pictures], tmp_path / "o", ["original"], mask_of=finds)
    assert not finds.asked


def test_a_picture_without_an_object_is_left_out_of_everything(tmp_path: Path) -> None:
    pictures = collection(tmp_path / "in", each=4)
    pictures[0] = replace(pictures[0], mask=None)
    pictures[1] = replace(pictures[1], mask=None, box=BOX)
    out = tmp_path / "out"
    assert set(make_variants(pictures, out, mask_of=lambda _rgb, _box: None).pictures.values()) == {10}
    assert reasons(out) == dict.fromkeys(("0.png", "1.png"), "no object was found")
    make_variants(pictures, out)
    assert reasons(out) == {"0.png": "it has neither box nor mask", "1.png": "it has no mask"}


def test_a_found_mask_that_hardly_fills_its_box_is_a_failure(tmp_path: Path) -> None:
    pictures = collection(tmp_path / "in", classes=("cat",), each=2)
    speck = np.zeros((18, 24), np.bool_)
    speck[6, 7:12] = True
    pictures[0] = replace(pictures[0], mask=None)
    make_variants(pictures, tmp_path / "out", ["only_fg"], mask_of=Finds(speck))
    assert reasons(tmp_path / "out") == {"0.png": "the mask that was found fills less than 10% of its box"}


def test_a_mask_of_another_shape_is_the_callers_mistake(tmp_path: Path) -> None:
    picture = replace(collection(tmp_path / "in")[0], mask=None)
    with pytest.raises(ValueError, match=r"bool \[18, 24\]"):
        make_variants([picture], tmp_path / "out", ["only_fg"], mask_of=Finds(np.ones((3, 3), np.bool_)))


def test_pictures_that_cannot_be_used_are_listed_with_the_reason(tmp_path: Path) -> None:
    good = collection(tmp_path / "in", classes=("cat",), each=2)
    rgb = pixels(24, 18, 7)

    def picture(name: str, label: str = "cat", box: Box | None = None, mask: Path | None = None) -> Labelled:
        return Labelled(save(tmp_path / name, rgb), label, box=box, mask=mask)

    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    bad = [
        picture("nameless.png", ""),
        picture("outside.png", box=Box(30, 30, 40, 40)),
        picture("crowded.png", box=Box(0, 0, 24, 17.5)),
        picture("empty.png", mask=save(tmp_path / "m0.png", np.zeros((18, 24), np.bool_))),
        picture("other.png", mask=save(tmp_path / "m1.png", object_mask(24, 20))),
        picture("maskless.png", mask=tmp_path / "nowhere.png"),
        picture("tornmask.png", mask=tmp_path / "torn.png"),
        Labelled(tmp_path / "missing.png", "cat", box=BOX),
        Labelled(tmp_path / "torn.png", "cat", box=BOX),
    ]
    out = tmp_path / "out"
    summary = make_variants([*good, good[0], *bad], out, ["only_bg_b"])
    assert summary.pictures == {"only_bg_b": 2}
    assert reasons(out) == {
        "0.png": "it is listed twice",
        "nameless.png": "it has no label",
        "outside.png": "the box lies outside the picture",
        "crowded.png": "its box covers more than 90% of the picture and leaves no background",
        "empty.png": "its mask is empty",
        "other.png": "its mask has 24 x 20 pixels, the picture 24 x 18",
        "maskless.png": f"{tmp_path / 'nowhere.png'} cannot be read: No such file or directory",
        "tornmask.png": "its mask: The PNG image is cut short: its 8 bytes end before the IEND chunk.",
        "missing.png": f"{tmp_path / 'missing.png'} cannot be read: No such file or directory",
        "torn.png": "The PNG image is cut short: its 8 bytes end before the IEND chunk.",
    }


def test_a_class_of_one_picture_has_no_background_of_its_own(tmp_path: Path) -> None:
    pictures = collection(tmp_path / "in", each=2)[:-1]
    summary = make_variants(pictures, tmp_path / "out", adversarial=4)
    assert summary.pictures == {**dict.fromkeys(VARIANTS, 5), "mixed_same": 4, "mixed_adversarial": 4 * 3 + 4}
    few = "mixed_adversarial: 3 backgrounds instead of 4"
    assert [(one.path, one.reason) for one in summary.skipped] == [
        *((picture.path, few) for picture in pictures[:-1]),
        (pictures[-1].path, "mixed_same: no other picture of its class"),
    ]


def test_a_picture_of_the_same_object_is_no_background(tmp_path: Path) -> None:
    pictures = [replace(picture, source="one") for picture in collection(tmp_path / "in", each=2)[:4]]
    pictures[3] = replace(pictures[3], source="two")
    out = tmp_path / "out"
    make_variants(pictures, out, adversarial=2)
    mixed = [row for row in rows(out) if row["background"]]
    assert mixed
    assert all({row["source"], row["background"]} == {"one", "two"} for row in mixed)


def test_two_objects_of_one_picture_are_not_each_others_background(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", pixels(40, 18, 1))
    boxes = (Box(2, 5, 10, 12), Box(30, 5, 38, 12))
    masks = [save(tmp_path / f"m{at}.png", object_mask(40, 18, box)) for at, box in enumerate(boxes)]
    pictures = [Labelled(path, "cat", box=box, mask=mask) for box, mask in zip(boxes, masks, strict=True)]
    out = tmp_path / "out"
    summary = make_variants(pictures, out, ["only_fg", "mixed_same"])
    assert summary.pictures == {"only_fg": 2}
    assert [one.reason for one in summary.skipped] == ["mixed_same: no other picture of its class"] * 2
    assert len({load(out / row["path"]).tobytes() for row in rows(out)}) == 2


@pytest.mark.parametrize("kind", ["mixed_rand", "mixed_next", "mixed_adversarial"])
def test_mixing_classes_takes_two(tmp_path: Path, kind: str) -> None:
    pictures = collection(tmp_path / "in", classes=("cat",))
    with pytest.raises(BadRequest, match=f"{kind}: at least 2 classes are needed, there is cat"):
        make_variants(pictures, tmp_path / "out", [kind], adversarial=int(kind == "mixed_adversarial"))
    dog = replace(pictures[0], label="dog", mask=None)  # of which no object is found
    with pytest.raises(BadRequest, match="at least 2 classes"):
        make_variants([*pictures, dog], tmp_path / "out", [kind], adversarial=int(kind == "mixed_adversarial"))
    assert reasons(tmp_path / "out") == {"0.png": "it has neither box nor mask"}


@pytest.mark.parametrize(
    ("wrong", "field", "allowed"),
    [
        ({"kinds": ["only_fg", "mixed"]}, "kinds", tuple(VARIANTS)),
        ({"kinds": []}, "kinds", tuple(VARIANTS)),
        ({"kinds": ["mixed_adversarial"]}, "adversarial", None),
        ({"adversarial": -1}, "adversarial", None),
        ({"picture_format": "gif"}, "format", ("png", "jpeg")),
        ({"workers": 0}, "workers", None),
    ],
)
def test_wrong_wishes_are_refused_with_what_is_known(
    tmp_path: Path, wrong: dict[str, object], field: str, allowed: tuple[str, ...] | None
) -> None:
    with pytest.raises(InvalidFields) as refused:
        make_variants(collection(tmp_path / "in"), tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert [(problem.field, problem.allowed) for problem in refused.value.problems] == [(field, allowed)]


def test_nothing_to_make_is_refused(tmp_path: Path) -> None:
    picture = replace(collection(tmp_path / "in")[0], mask=None)
    with pytest.raises(BadRequest, match="no pictures with a label"):
        make_variants([replace(picture, label="", accepted=frozenset())], tmp_path / "out")
    with pytest.raises(BadRequest, match="none of 1 pictures can be used; mostly: it has neither box nor mask"):
        make_variants([picture], tmp_path / "out", ["only_fg"])


def test_pictures_are_not_taken_from_where_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="lies in the output folder"):
        make_variants(collection(tmp_path / "out/in"), tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BadRequest, match="cannot be written"):
        make_variants(collection(tmp_path / "in"), tmp_path / "out")
