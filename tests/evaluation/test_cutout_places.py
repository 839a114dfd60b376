"""Where cut-outs go."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequest
from service.evaluation.cutout.journal import Journal, Record
from service.evaluation.cutout.measures import Measures
from service.evaluation.cutout.options import FORMATS
from service.evaluation.cutout.places import Task, plan, printable, stamp_of, target_names
from service.evaluation.labelled import Labelled
from service.evaluation.whole_files import write_whole

NAMES = st.lists(st.sampled_from([f"{stem}{end}" for stem in ("a/x", "A/X", "a/x-2", "a/x.png", "b/y")
                                  for end in (".png", ".jpg", ".JPEG", ".webp", "")]), max_size=12)  # fmt: skip


def pictures(*paths: Path) -> list[Labelled]:
    return [Labelled(path, "x") for path in paths]


@given(NAMES, st.sampled_from(sorted(FORMATS)))
def test_every_picture_has_a_name_of_its_own_in_its_own_folder(names: list[str], picture_format: str) -> None:
    targets = target_names(names, picture_format)
    assert len({target.casefold() for target in targets}) == len(names)
    for name, target in zip(names, targets, strict=True):
        assert PurePosixPath(target).parent == PurePosixPath(name).parent
        assert PurePosixPath(target).suffix.lower() in FORMATS[picture_format]


def test_names_stay_short_and_only_doubles_grow() -> None:
    names = ["a/x.jpg", "a/x.png", "a/y.webp", "b/x.JPG", "b/x.JPG"]
    assert target_names(names, "png") == ["a/x.jpg.png", "a/x.png.png", "a/y.png", "b/x.JPG.png", "b/x.JPG-2.png"]
    assert target_names(["x.JPG", "y.jpeg", "z.png"], "jpeg") == ["x.JPG", "y.jpeg", "z.jpg"]


def test_a_folders_tree_is_mirrored(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "train" / "cat").mkdir(parents=True)
    [task] = plan(pictures(data / "train" / "cat" / "1.jpg"), data, tmp_path / "out", "png")
    assert (task.original, task.target) == ("train/cat/1.jpg", "train/cat/1.png")


def test_the_tree_is_mirrored_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data")
    [task] = plan(pictures(link / "cat" / "1.jpg"), link, tmp_path / "out", "png")
    assert task.target == "cat/1.png"
    with pytest.raises(BadRequest, match="lies in"):
        plan(pictures(link / "cat" / "1.jpg"), link, tmp_path / "data" / "out", "png")


def test_a_tables_pictures_outside_its_folder_are_mirrored_from_where_they_part(tmp_path: Path) -> None:
    table = tmp_path / "tables" / "t.csv"
    paths = [table.parent / ".." / "photos" / "cat" / "1.jpg", tmp_path / "photos" / "dog" / "1.jpg"]
    tasks = plan(pictures(*paths), table, tmp_path / "out", "png")
    assert [task.target for task in tasks] == ["cat/1.png", "dog/1.png"]


def test_originals_are_never_replaced(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    with pytest.raises(BadRequest, match="would replace"):
        plan(pictures(tmp_path / "cat" / "1.png"), table, tmp_path, "png")
    with pytest.raises(BadRequest, match="would replace"):
        plan(pictures(tmp_path / "x" / "1.png", tmp_path / "1.png"), table, tmp_path / "x", "png")


def test_cut_outs_are_not_put_where_the_pictures_are_read(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="read as pictures"):
        plan(pictures(tmp_path / "cat" / "1.png"), tmp_path, tmp_path / "out", "png")


def test_bytes_that_are_no_text_are_written_out() -> None:
    assert printable("caf\udce9/é.png") == "caf\\udce9/é.png"


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert stamp_of(path) == ""
    path.write_bytes(b"1")
    first = stamp_of(path)
    path.write_bytes(b"12")
    assert stamp_of(path) != first != ""


def test_records_outlive_a_line_that_was_cut_short(tmp_path: Path) -> None:
    original = tmp_path / "a.jpg"
    original.write_bytes(b"1")
    task = Task(Labelled(original, "x"), "a.jpg", "a.png")
    measures = Measures(0.5, 0.25, None, 0.0, 0.0, 0.0)
    made = Record("a.jpg", "a.png", stamp_of(original), None, (0.5, 1.0, 2.0, 3.0), 2, 2, "box", measures)
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append(Record("b.jpg", "b.png", "1-1", "an error"))
    journal.append(made)
    content = path.read_bytes()
    path.write_bytes(content + b'{"original": "c.jpg", "tar')
    again = Journal(path)
    again.append(Record("d\udce9.jpg", "d.png", "1-1"))
    assert Journal(path).records == {
        "b.png": Record("b.jpg", "b.png", "1-1", "an error"),
        "a.png": made,
        "d.png": Record("d\udce9.jpg", "d.png", "1-1"),
    }
    assert not again.finished(task, tmp_path)  # its cut-out is missing
    write_whole(tmp_path / "a.png", b"png")
    assert again.finished(task, tmp_path)
    original.write_bytes(b"12")
    assert not again.finished(task, tmp_path)
