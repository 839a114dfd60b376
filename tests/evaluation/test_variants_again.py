"""The same again: for any order, place and number of workers, and after an interruption."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from variant_pictures import BOX, collection, load, object_mask, pixels, save, tree  # type: ignore[import-not-found]

from service.errors import BadRequest, ModelFailed, ServiceError
from service.evaluation.labelled import Labelled
from service.evaluation.variants import Finder, MaskOf, make_variants
from service.evaluation.variants.journal import JOURNAL, Journal
from service.evaluation.variants.spread import spread_over
from service.evaluation.variants.subjects import Finding, Subject, Task, scene_of
from service.recognition.boxes import Box
from service.recognition.views import Mask, Pixels


def found(rgb: Pixels, _box: Box | None) -> tuple[Box, Mask]:
    height, width = rgb.shape[:2]
    return BOX, object_mask(width, height)


def without_journal(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name != JOURNAL}


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Changed for every file that is written anew."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix == ".png"
    }


def test_order_place_and_workers_change_nothing(tmp_path: Path) -> None:
    pictures = collection(tmp_path / "in")
    one = make_variants(pictures, tmp_path / "one", seed=7, adversarial=2)
    other = make_variants(pictures[::-1], tmp_path / "other", seed=7, adversarial=2, workers=2)
    moved = collection(tmp_path / "elsewhere/in")
    make_variants(moved, tmp_path / "moved", seed=7, adversarial=2)
    assert one.made == other.made == 9 * 10
    assert without_journal(tmp_path / "one") == without_journal(tmp_path / "other")
    assert without_journal(tmp_path / "one") == without_journal(tmp_path / "moved")


def test_another_seed_draws_other_backgrounds_and_nothing_else(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in"), tmp_path / "out"
    make_variants(pictures, out, seed=1)
    before = stamps(out)
    summary = make_variants(pictures, out, seed=2)
    changed = {path.relative_to(out).parts[0] for path, stamp in stamps(out).items() if stamp != before[path]}
    assert changed == {"mixed_same", "mixed_rand", "mixed_next"}
    assert 0 < summary.made < 27  # some draws are the same


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in"), tmp_path / "out"
    make_variants(pictures, out)
    before, tables = stamps(out), without_journal(out)
    assert make_variants(pictures, out).made == 0
    assert stamps(out) == before
    (out / "only_fg/cat/1.png").unlink()
    (out / "no_fg/dog/0.png").write_bytes(b"torn")
    assert make_variants(pictures, out).made == 2
    assert without_journal(out) == tables
    changed = {path.name for path, stamp in stamps(out).items() if stamp != before[path]}
    assert changed == {"1.png", "0.png"}


def test_a_picture_that_changed_is_made_again_with_all_that_show_it(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in", each=2), tmp_path / "out"
    make_variants(pictures, out, ["original", "mixed_same"])
    save(pictures[0].path, pixels(24, 18, 999))
    assert make_variants(pictures, out, ["original", "mixed_same"]).made == 3
    assert (load(out / "original/bird/0.png") == pixels(24, 18, 999)).all()


def test_fewer_adversarial_backgrounds_are_the_first_of_more(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in"), tmp_path / "out"
    few = make_variants(pictures, out, [], adversarial=2)
    more = make_variants(pictures, out, [], adversarial=5)
    assert (few.made, more.made, more.pictures) == (18, 27, {"mixed_adversarial": 45})


class Interrupted:
    """A model that stops answering after a while."""

    def __init__(self, last: int, error: Callable[[], BaseException]) -> None:
        self.left, self.error, self.answers = last, error, 0

    def __call__(self, rgb: Pixels, box: Box | None) -> tuple[Box, Mask]:
        if not self.left:
            raise self.error()
        self.left -= 1
        self.answers += 1
        return found(rgb, box)


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    pictures = [replace(picture, mask=None) for picture in collection(tmp_path / "in")]
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        make_variants(pictures, out, mask_of=Interrupted(4, KeyboardInterrupt))
    assert not (out / "variants.csv").exists()
    with (out / JOURNAL).open("a") as journal:
        journal.write('\n["half a li')
    rest = Interrupted(9, KeyboardInterrupt)
    make_variants(pictures, out, mask_of=rest)
    assert rest.answers == 5
    make_variants(pictures, tmp_path / "whole", mask_of=found)
    assert without_journal(out) == without_journal(tmp_path / "whole")
    assert make_variants(pictures, out, mask_of=Interrupted(0, AssertionError)).made == 0


def test_a_mask_that_is_gone_is_found_again(tmp_path: Path) -> None:
    pictures = [replace(picture, mask=None) for picture in collection(tmp_path / "in")]
    out = tmp_path / "out"
    make_variants(pictures, out, mask_of=found)
    (out / "masks/cat/2.png").unlink()
    again = Interrupted(9, AssertionError)
    assert make_variants(pictures, out, mask_of=again).made == 0
    assert again.answers == 1
    assert (out / "masks/cat/2.png").is_file()


def test_another_finder_finds_anew_and_is_told_the_label(tmp_path: Path) -> None:
    pictures = [replace(picture, mask=None) for picture in collection(tmp_path / "in")]
    asked: list[str] = []

    def mask_of_label(label: str) -> MaskOf:
        asked.append(label)
        return found

    for name in ("one", "one", "two"):
        make_variants(pictures, tmp_path / "out", ["only_fg"], finder=Finder(mask_of_label, name))
    assert asked == ["bird"] * 3 + ["cat"] * 3 + ["dog"] * 3 + ["bird"] * 3 + ["cat"] * 3 + ["dog"] * 3


def test_a_model_that_fails_on_one_picture_costs_that_one_for_now(tmp_path: Path) -> None:
    pictures = [replace(picture, mask=None) for picture in collection(tmp_path / "in")]

    def fails(_rgb: Pixels, _box: Box | None) -> tuple[Box, Mask]:
        raise ModelFailed("too much for it")

    def finder(bad: str) -> Finder:
        return Finder(lambda label: fails if label == bad else found, "")

    first = make_variants(pictures, tmp_path / "out", ["only_fg"], finder=finder("cat"))
    assert {one.reason for one in first.skipped} == {"too much for it"}
    assert first.pictures == {"only_fg": 6}
    assert make_variants(pictures, tmp_path / "out", ["only_fg"], finder=finder("")).pictures == {"only_fg": 9}


def test_no_file_is_ever_seen_unfinished(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in"), tmp_path / "out"
    torn = out / "only_fg/cat/.1.png.part"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"killed")
    blocked = out / "only_fg/dog/1.png"
    blocked.mkdir(parents=True)  # a folder cannot be replaced by a file
    with pytest.raises(BadRequest, match=r"1\.png cannot be written"):
        make_variants(pictures, out, ["only_fg"])
    assert not list(out.rglob("*.part"))
    assert not (out / "variants.csv").exists()
    blocked.rmdir()
    assert make_variants(pictures, out, ["only_fg"]).made == 2


def test_a_journal_that_cannot_be_kept_is_told_of(tmp_path: Path) -> None:
    pictures, out = collection(tmp_path / "in"), tmp_path / "out"
    journal = Journal(out)
    (out / JOURNAL).mkdir(parents=True)
    with pytest.raises(BadRequest, match="cannot be read"):
        make_variants(pictures, out, ["only_fg"])
    with pytest.raises(BadRequest, match="cannot be written"):
        journal.add(Task(pictures[0].path, BOX, None, "box", out / "mask.png", ""), Finding(9, 9, BOX))


def test_a_picture_that_changes_while_it_is_read_is_told_of(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", pixels(9, 9, 1))
    with pytest.raises(BadRequest, match="was changed while it was read"):
        scene_of(Subject(path, "a", "a/a", "a/a", "", 8, 9, None, None, ""))


def test_progress_is_told_by_stage(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    make_variants(collection(tmp_path / "in"), tmp_path / "out", advance=lambda *step: steps.append(step))
    assert steps == [(stage, done, 9) for stage in ("objects", "variants") for done in range(1, 10)]


def test_pictures_of_one_name_are_told_apart_and_labels_make_safe_folders(tmp_path: Path) -> None:
    names = ("a/x.png", "b/x.png", "b/X.jpg.png", "c/X.png", "c/y.png")
    labels = ("../cat", "../cat", "../cat", "../cat", "..:cat")
    pictures = [
        Labelled(save(tmp_path / "in" / name, pixels(9, 9, seed)), label)
        for seed, (name, label) in enumerate(zip(names, labels, strict=True))
    ]
    out = tmp_path / "out"
    make_variants(pictures, out, ["original"])
    made = sorted(path.relative_to(out / "original").as_posix() for path in (out / "original").rglob("*.png"))
    assert len(made) == len({name.casefold() for name in made}) == 5
    folders = {name.split("/")[0] for name in made}
    assert len(folders) == 2
    assert all(folder.startswith("_cat-") for folder in folders)
    assert sum(name.endswith("/X.jpg.png") for name in made) == 1
    assert make_variants(pictures[::-1], out, ["original"]).made == 0


def test_a_worker_that_dies_is_told_of() -> None:
    with pytest.raises(ServiceError, match="a worker process died"), spread_over(2) as spread:
        list(spread(os._exit, [1]))
