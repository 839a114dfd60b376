import base64
import io
import re
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_evaluation import drawn, made
from PIL import Image

from service.errors import BadRequest
from service.evaluation.labelled import Labelled
from service.evaluation.report import plots
from service.evaluation.report.gallery import SIDE_PX, thumbnail
from service.evaluation.report.html import check_extra, page, write_html
from service.evaluation.report.summary import summarize
from service.evaluation.results import Evaluation
from service.recognition.reliability import reliability

PARTS = ("mixed_same", "mixed_rand", "mixed_adversarial", "<script>alert(1)</script>")
LABELS = ("<b>cat</b>", 'dog "x" & y', "owl $x^2$", "狐", "a name much too long to be drawn beside a matrix")
METHODS = {"full": 0.5, "fg": 0.6, "bg_shape": 0.3, "max_confidence": 0.65, "robust": 0.6, "best_box": 0.9}
VOID = {"wbr", "meta", "img", "br", "link", "input", "use"}


class Page(HTMLParser):
    """Tags opened and closed in order, attributes that name something elsewhere, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.images: list[str] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                self.references.append(value or "")
            if name == "src":
                self.images.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            assert not name.startswith("on"), f"{tag} runs a script {name}"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return drawn(tmp_path_factory.mktemp("pictures"), PARTS, LABELS, METHODS, none=6)


@pytest.fixture(scope="module")
def text(evaluation: Evaluation) -> str:
    return page(evaluation, summarize(evaluation, resamples=50))


def test_the_page_needs_nothing_beside_it(text: str) -> None:
    found = Page(text)
    assert found.open == []
    assert not {"script", "link", "iframe", "object", "base"} & set(found.tags)
    assert all(reference.startswith(("data:image/jpeg;base64,", "#")) for reference in found.references)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert all(reference.startswith("#") for reference in re.findall(r"url\(([^)]*)\)", text))


def test_what_a_drawing_refers_to_is_there(text: str) -> None:
    found = Page(text)
    wanted = {one[1:] for one in [*found.references, *re.findall(r"url\(([^)]*)\)", text)] if one.startswith("#")}
    assert wanted
    assert wanted <= set(found.ids)


def test_names_are_text_and_never_tags(text: str) -> None:
    assert "<b>cat" not in text
    assert "<script" not in text
    assert 'dog "x"' not in re.sub(r">[^<]*<", "><", text)
    texts = Page(text.replace("<wbr>", "")).texts
    for name in (*LABELS[:4], *PARTS, *METHODS, "no_detection"):
        assert any(name in shown for shown in texts), name


def test_the_findings_come_first(evaluation: Evaluation, text: str) -> None:
    texts = [shown for shown in Page(text).texts if shown]
    place = next(place for place, shown in enumerate(texts) if shown.startswith("max_confidence answers"))
    assert place < texts.index("Methods and parts")
    assert texts.index("pictures.csv") < place


def test_thumbnails_are_few_and_unreadable_pictures_say_so(text: str) -> None:
    found = Page(text)
    assert 0 < len(found.images) <= 60
    assert any(re.fullmatch(r"\d+_\d+\.jpg cannot be read", shown) for shown in found.texts)


def test_the_same_evaluation_makes_the_same_page(evaluation: Evaluation, text: str) -> None:
    assert page(evaluation, summarize(evaluation, resamples=50)) == text


def test_drawings_have_the_colours_of_the_page_alone(text: str) -> None:
    drawings = "".join(re.findall(r"<svg .*?</svg>", text, re.DOTALL))
    assert not re.findall(r"#[0-9a-f]{6}\b(?!\))", re.sub(r'(href="|id="|url\()[^")]*', "", drawings))
    assert {name for name in plots.COLOURS if f"var(--{name})" not in drawings} == set()
    for name in plots.COLOURS:
        assert text.count(f"--{name}: #") == 2  # by day and by night


def test_many_classes_are_listed_by_their_confusions(tmp_path: Path) -> None:
    labels = [f"class {number}" for number in range(40)]
    evaluation = drawn(tmp_path, ["all"], labels, {"full": 0.3}, per_part=80)
    summary = summarize(evaluation, resamples=5)
    text = page(evaluation, summary)
    assert "Confusion matrix" not in text
    assert f"<tr><th>{summary.confusions[0].label}</th><td>{summary.confusions[0].predicted}</td>" in text
    assert "disagree" not in text


def test_answers_that_are_all_right_make_a_page(tmp_path: Path) -> None:
    pictures = [Labelled(tmp_path / "a.jpg", "cat"), Labelled(tmp_path / "b.jpg", "dog")]
    right = [("cat", 1.0), ("dog", 1.0)]
    evaluation = made(pictures, ("cat", "dog"), {"full": right, "fg": right, "max_confidence": right})
    text = page(evaluation, summarize(evaluation, resamples=5), "macro")
    assert "The hardest classes" not in text
    assert "the mean of the classes" in text


def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    pictures = [Labelled(tmp_path / "caf\udce9.jpg", "cat")]
    evaluation = made(pictures, ("cat", "dog"), {"full": [("dog", 0.9)]})
    write_html(evaluation, summarize(evaluation, resamples=5), tmp_path / "report.html")
    assert "caf?.jpg cannot be read" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["matplotlib", "jinja2"])
def test_what_is_not_installed_is_named(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadRequest, match=rf"{module}: pip install '.\[evaluate\]'"):
        check_extra()


def test_a_thumbnail_is_small_and_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (800, 400), (200, 30, 30)).save(tmp_path / "a.jpg", exif=exif)
    found = thumbnail(tmp_path / "a.jpg")
    assert found is not None
    assert len(found) < 4000
    with Image.open(io.BytesIO(base64.b64decode(found.partition(",")[2]))) as small:
        assert small.size == (SIDE_PX // 2, SIDE_PX)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_picture_has_no_thumbnail(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    assert thumbnail(tmp_path / "a.jpg") is None


def test_drawings_leave_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    found = reliability(np.array([0.2, 0.9], np.float32), np.array([False, True]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.reliability_diagram(found, "about")
        plots.confusion_matrix(["狐", "$", "<>&"], np.eye(3, dtype=np.intp) * 12345, "about")
    assert dict(matplotlib.rcParams) == before


def test_a_drawing_does_not_depend_on_the_style_set_elsewhere() -> None:
    import matplotlib

    found = reliability(np.array([0.2, 0.9], np.float32), np.array([False, True]))
    plain = plots.reliability_diagram(found, "about")
    with matplotlib.rc_context({"font.size": 20, "font.family": "serif", "axes.linewidth": 3, "xtick.labelsize": 9}):
        assert plots.reliability_diagram(found, "about") == plain
