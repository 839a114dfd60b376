"""Whole collections cut out, with a localizer that is a plain class: it finds what is red."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

import service
from service.errors import BadRequest, InvalidFields, SettingsError
from service.evaluation.cutout.folder import LOCK_FILE
from service.evaluation.cutout.journal import Record
from service.evaluation.cutout.options import CutoutOptions
from service.evaluation.cutout.places import Task
from service.evaluation.cutout.produce import MOST_BATCH
from service.evaluation.cutout.review import Reviewed, Thresholds
from service.evaluation.cutout.run import Summary, run
from service.evaluation.cutout.sheet import Thumbnails, page
from service.evaluation.cutout.workers import worker_pool
from service.evaluation.labelled import Labelled, read_labelled
from service.evaluation.objects import ObjectFinder
from service.images import ImageLimits
from service.models.ports import LocatorInput, PromptSet
from service.recognition.boxes import Detection, mask_extent

POISON = 7  # a picture with this blue in its corner makes the model fail


class RedFinder:
    name, revision, default_threshold, reads_prompts = "red-finder", "1", 0.3, False

    def __init__(self, killed_after: int | None = None) -> None:
        self.seen = 0
        self.killed_after = killed_after

    def check_prompts(self, prompts: PromptSet) -> None:
        if "forbidden" in prompts.prompts:
            raise ValueError("a forbidden prompt")

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        return LocatorInput(rgb.transpose(2, 0, 1).astype(np.float32), rgb.shape[1], rgb.shape[0], prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        if any(entry.pixels[2, 0, 0] == POISON for entry in inputs):
            raise RuntimeError("the model does not like this picture")
        self.seen += len(inputs)
        if self.killed_after is not None and self.seen > self.killed_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return [self._locate(entry.pixels[0] > 200) for entry in inputs]

    def _locate(self, red: NDArray[np.bool_]) -> list[Detection]:
        box = mask_extent(red)
        return [Detection(box, 0.9, None, np.where(red, np.uint8(255), np.uint8(0)))] if box is not None else []


def draw(path: Path, x0: int = 10, side: int = 10, blue: int = 0) -> Path:
    """A picture 30 high and 40 wide, green, with a red disc-like square: a square less one corner."""
    rgb = np.zeros((30, 40, 3), np.uint8)
    rgb[:] = (0, 128, blue)
    rgb[5 : 5 + side, x0 : x0 + side] = (255, 0, 0)
    rgb[5 : 5 + side // 2, x0 : x0 + side // 2] = (0, 128, blue)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures in two parts with two labels."""
    for place, name in enumerate(("train/cat/1.png", "train/dog/2.bmp", "test/cat/1.png")):
        draw(tmp_path / "data" / name, 10 + place)
    return tmp_path / "data"


def cut(
    data: Path, out: Path, options: CutoutOptions | None = None, finder: RedFinder | None = None, **others: Any
) -> Summary:
    return run(data, out, options or CutoutOptions(), ObjectFinder(finder or RedFinder()), **others)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_tree_becomes_one_of_cut_outs_that_the_evaluation_reads(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    summary = cut(data, tmp_path / "out", advance=lambda done, total: told.append((done, total)))
    assert (summary.total, summary.made, summary.made_before, summary.without) == (3, 3, 0, 0)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    read = read_labelled(tmp_path / "out" / "manifest.csv")
    assert [(picture.label, picture.part) for picture in read] == [("cat", "test"), ("cat", "train"), ("dog", "train")]
    assert [picture.box for picture in read] == [None] * 3
    for picture, row in zip(read, rows(tmp_path / "out" / "manifest.csv"), strict=True):
        with Image.open(picture.path) as made, Image.open(data / row["original"]) as original:
            x0, y0, x1, y1 = (round(float(row[f"source_{edge}"])) for edge in ("x0", "y0", "x1", "y1"))
            assert made.size == (x1 - x0, y1 - y0) == (int(row["width"]), int(row["height"])) == (10, 10)
            alpha = np.asarray(made.getchannel("A")) == 255
            assert alpha.mean() == 0.75
            np.testing.assert_array_equal(np.asarray(made)[alpha][:, :3], np.asarray(original)[y0:y1, x0:x1][alpha])
        assert (row["score"], row["mask_source"]) == ("0.9000", "localizer")
        assert float(row["mask_area"]) == pytest.approx(75 / 1200, abs=1e-4)


def test_a_table_keeps_all_that_it_says(data: Path, tmp_path: Path) -> None:
    table = data / "t.csv"
    table.write_text(
        "path,label,part,accept,source,metadata,x0,y0,x1,y1\n"
        'train/cat/1.png,cat,day,tom|kitten,s1,"{""a"": ""é""}",1,2,3,4\n'
        "train/dog/2.bmp,,,,,,,,,\n",
        encoding="utf-8",
    )
    cut(table, tmp_path / "out", CutoutOptions(ground="black", frame="picture"))
    for before, after in zip(read_labelled(table), read_labelled(tmp_path / "out" / "manifest.csv"), strict=True):
        for name in ("label", "part", "accepted", "source", "metadata"):
            assert getattr(after, name) == getattr(before, name)
        assert after.box is None
        with Image.open(after.path) as made:
            assert made.size == (40, 30)


def test_what_is_finished_is_not_made_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(data, out)
    before = (out / "manifest.csv").read_bytes()
    finder = RedFinder()
    summary = cut(data, out, finder=finder)
    assert (summary.made, summary.made_before, finder.seen) == (0, 3, 0)
    assert (out / "manifest.csv").read_bytes() == before


def test_new_changed_and_missing_ones_are_made(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(data, out)
    draw(data / "train" / "dog" / "2.bmp", side=12)
    draw(data / "train" / "dog" / "3.png")
    (out / "train" / "cat" / "1.png").unlink()
    finder = RedFinder()
    summary = cut(data, out, finder=finder)
    assert (summary.made, summary.made_before, finder.seen) == (3, 1, 3)
    with Image.open(out / "train" / "dog" / "2.png") as made:
        assert made.size == (12, 12)


def test_other_options_need_another_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(data, out)
    with pytest.raises(BadRequest, match=r"ground was 'transparent', now 'black'; margin was 0.0, now 0.1; choose"):
        cut(data, out, CutoutOptions(ground="black", margin=0.1))
    (out / "cutout.json").write_text("[1")
    with pytest.raises(BadRequest, match=r"cutout\.json cannot be read"):
        cut(data, out)


def test_a_folder_of_something_else_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(BadRequest, match="not empty"):
        cut(data, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    with pytest.raises(BadRequest, match="cannot be used"):
        cut(data, tmp_path / "out" / "thesis.txt")


def test_two_runs_do_not_write_to_the_same_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(data, out)
    with FileLock(out / LOCK_FILE), pytest.raises(BadRequest, match="another run"):
        cut(data, out)


def test_bad_pictures_are_listed_with_their_error_and_tried_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    broken, nothing = data / "train" / "cat" / "broken.jpg", data / "train" / "cat" / "nothing.png"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (40, 30)).save(nothing)
    draw(data / "train" / "dog" / "poison.png", blue=POISON)
    draw(data / "train" / "dog" / "huge.png").write_bytes(b"x" * 5000)
    summary = cut(data, out, limits=ImageLimits(max_bytes=4000))
    assert (summary.total, summary.made, summary.without) == (7, 3, 4)
    assert summary.reasons == {"failed": 3, "no_object": 1}
    assert (summary.suspicious, summary.share) == (4, 4 / 7)
    listed = {Path(row["original"]).name: row for row in rows(out / "review.csv")}
    assert "JPEG" in listed["broken.jpg"]["error"]
    assert "at most 4000" in listed["huge.png"]["error"]
    assert listed["poison.png"]["error"] == "the models failed: RuntimeError: the model does not like this picture"
    assert (listed["nothing.png"]["flags"], listed["nothing.png"]["path"]) == ("no_object", "")
    assert len(rows(out / "manifest.csv")) == 3
    draw(broken)
    finder = RedFinder()
    assert cut(data, out, finder=finder).made == 1
    assert finder.seen == 1  # the picture without an object needs no second look
    broken.write_bytes(b"broken again")
    assert cut(data, out).made_before == 3
    assert not (out / "train" / "cat" / "broken.png").exists()


def test_a_format_that_cannot_hold_a_picture_is_an_error_of_that_picture_alone(data: Path, tmp_path: Path) -> None:
    Image.new("RGB", (16400, 1), (255, 0, 0)).save(data / "train" / "cat" / "long.png")
    summary = cut(data, tmp_path / "out", CutoutOptions(picture_format="webp"))
    assert (summary.made, summary.without) == (3, 1)
    [row] = rows(tmp_path / "out" / "review.csv")
    assert row["error"].startswith("16400 x 1 pixels cannot be saved as webp")


def test_thresholds_may_change_without_making_anything_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cut(data, out).suspicious == 0
    finder = RedFinder()
    summary = cut(data, out, finder=finder, thresholds=Thresholds(min_score=0.95, min_area=0.5))
    assert (finder.seen, summary.reasons) == (0, {"low_score": 3, "tiny": 3})
    assert {row["flags"] for row in rows(out / "manifest.csv")} == {"low_score|tiny"}


def test_a_model_without_masks_is_said_once_not_for_every_picture(data: Path, tmp_path: Path) -> None:
    class Boxes(RedFinder):
        def _locate(self, red: NDArray[np.bool_]) -> list[Detection]:
            return [Detection(found.box, found.score) for found in super()._locate(red)]

    summary = cut(data, tmp_path / "out", finder=Boxes())
    assert (summary.masked, summary.suspicious) == (False, 0)


class Page(HTMLParser):
    """What a browser would load, and what it would show."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_contact_sheet_needs_nothing_else_and_runs_nothing(data: Path, tmp_path: Path) -> None:
    name = "<script>alert(1)<&\"'.png"
    draw(data / "train" / "cat<b>" / name, x0=0, side=25)
    Image.new("RGB", (40, 30)).save(data / "train" / "cat" / "nothing.png")
    cut(data, tmp_path / "out", thresholds=Thresholds(max_border=0.01))
    page = Page()
    page.feed((tmp_path / "out" / "review.html").read_text(encoding="utf-8"))
    assert name in page.text
    assert "cat<b>" in page.text
    assert not {"script", "link", "b"} & set(page.tags)
    assert "2 of 5 pictures (40.0%)" in page.text
    assert page.text.index("no object was found") < page.text.index("goes beyond the picture")
    assert len(page.sources) == 3  # the original without an object, and both of the other
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)


def test_a_long_list_is_shown_in_part_and_says_so() -> None:
    entry = Reviewed(Task(Labelled(Path("a"), ""), "a", "a"), Record("a", "a", "", "broken"), ("failed",))
    shown = page([entry] * 3, [Thumbnails(None, None)] * 2, 4)
    assert "3 of 4 pictures (75.0%)" in shown
    assert "The first 2 are shown" in shown
    assert shown.count("<li>") == 2


def test_names_that_are_no_text_are_cut_out_and_listed_all_the_same(data: Path, tmp_path: Path) -> None:
    draw(data / "train" / "cat" / "x.png").rename(data / "train" / "cat" / "caf\udce9.png")
    assert cut(data, tmp_path / "out").made == 4
    assert all(picture.path.is_file() for picture in read_labelled(tmp_path / "out" / "manifest.csv"))


def test_processes_make_what_a_thread_makes(data: Path, tmp_path: Path) -> None:
    options = CutoutOptions(ground="mean", margin=0.2, picture_format="webp")
    for name, workers in (("thread", 0), ("process", 1)):
        cut(data, tmp_path / name, options, workers=workers)
    names = [row["path"] for row in rows(tmp_path / "thread" / "manifest.csv")]
    for file in ("manifest.csv", "review.html", *names):
        assert (tmp_path / "thread" / file).read_bytes() == (tmp_path / "process" / file).read_bytes()


def test_a_worker_that_is_ended_from_outside_ends_the_run_with_a_reason() -> None:
    with pytest.raises(BadRequest, match="fewer workers"), worker_pool(1) as pool:
        pool.submit(os._exit, 1).result()


def test_a_folder_that_cannot_be_written_ends_the_run_with_a_reason(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cut(data, out)
    (out / "test" / "cat" / "1.png").unlink()
    (out / "test" / "cat").rmdir()
    (out / "test" / "cat").write_text("a file in the way")
    with pytest.raises(BadRequest, match="cannot be used"):
        cut(data, out)


KILLED = """
import sys
from pathlib import Path
if __name__ == "__main__":
    sys.path[:0] = sys.argv[4:]
    from test_cutout_run import RedFinder, cut
    cut(Path(sys.argv[1]), Path(sys.argv[2]), finder=RedFinder(killed_after=int(sys.argv[3])), workers=1)
"""


def test_a_killed_run_leaves_whole_pictures_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data, out, script = tmp_path / "data", tmp_path / "out", tmp_path / "killed.py"
    count = 3 * MOST_BATCH
    for place in range(count):
        draw(data / "cat" / f"{place:02}.png", place % 20)
    script.write_text(KILLED)
    folders = (Path(__file__).parent, Path(service.__file__).parents[1])
    command = [sys.executable, script, data, out, str(2 * MOST_BATCH), *folders]
    # That the output ends tells that the worker process, which shares it, has ended as well
    done = subprocess.run(command, check=False, timeout=120, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    kept = [json.loads(line)["target"] for line in (out / "cutout.jsonl").read_text().splitlines()]
    assert len(kept) >= MOST_BATCH
    for path in out.rglob("*.png"):
        with Image.open(path) as made:
            made.load()
    finder = RedFinder()
    summary = cut(data, out, finder=finder)
    assert (summary.made, summary.made_before, finder.seen) == (count - len(kept), len(kept), count - len(kept))
    assert len(read_labelled(out / "manifest.csv")) == count
    assert not list(out.rglob("*.part"))


def test_no_localizer_and_no_prompt_that_it_cannot_take(data: Path, tmp_path: Path) -> None:
    class NoFinder(RedFinder):
        name = "none"

    with pytest.raises(SettingsError, match="cut-outs need one"):
        cut(data, tmp_path / "out", finder=NoFinder())
    with pytest.raises(InvalidFields, match="a forbidden prompt"):
        cut(data, tmp_path / "out", CutoutOptions(prompts=("forbidden",)))
    assert not (tmp_path / "out").exists()
