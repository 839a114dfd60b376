"""Reading packages of drawings from a folder as unpacked; nothing is fetched here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.models.projector import drawings as module
from service.models.projector.drawings import Drawing, clean_name, drawings
from service.models.projector.embed import Floats, embed_drawings, on_white, render
from service.models.projector.packages import DrawingsError, Package, fetch

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="red"/></svg>'
CLIP = """<svg xmlns="http://www.w3.org/2000/svg"><metadata>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>Farfalla - Butterfly</dc:title><dc:creator><dc:title>Ann Other</dc:title></dc:creator>
<dc:subject><rdf:Bag><rdf:li>insect</rdf:li></rdf:Bag></dc:subject></rdf:RDF></metadata></svg>"""
NAMES = Package("npm", "names", "1", "", "MIT", "")
PACKAGES = (
    NAMES,
    Package("npm", "pictures", "1", "plain", "MIT", ""),
    Package("npm", "@iconify-json/coded", "1", "coded", "MIT", ""),
    Package("apt", "clips", "1", "openclipart", "public domain", ""),
)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that already holds one small package of each kind."""
    monkeypatch.setattr(module, "PACKAGES", PACKAGES)
    root = tmp_path / "packages"
    entries = [
        {"label": "red apple", "hexcode": "1F34E", "tags": ["fruit"], "group": 4},
        {"label": "flag", "hexcode": "1F3C1", "tags": [], "group": 9},
    ]
    write(root / "names-1/data/package/en/data.json", json.dumps(entries))
    for code in ("1f34e", "1f3c1"):
        write(root / f"pictures-1/data/package/{code}.svg", SVG)
    icons = json.dumps({"icons": {"red-apple": {"body": "<rect/>"}, "sea-turtle": {"body": "<rect/>"}}, "height": 9})
    write(root / "_iconify-json_coded-1/data/package/icons.json", icons)
    write(root / "_iconify-json_coded-1/data/package/chars.json", json.dumps({"1f34e": "red-apple", "1f422": "gone"}))
    clips = root / "clips-1/data/usr/share/openclipart/svg"
    write(clips / "animals/bugs/farfalla_ann_oth_01.svg", CLIP)
    write(clips / "food/farfalla_ann_oth_01.svg", CLIP)
    write(clips / "animals/broken_thing.svg", "<svg")
    write(clips / "special/gradients/blue.svg", SVG)
    return tmp_path


def test_every_kind_of_package_is_read(cache: Path) -> None:
    listed = [(drawing.key, (drawing.name, drawing.tags)) for drawing in drawings(cache, lambda line: None)]
    found = dict(listed)
    assert len(found) == len(listed)
    assert found == {
        "plain/1f34e.svg": ("red apple", ("fruit",)),
        "coded/red-apple.svg": ("red apple", ("fruit",)),
        "openclipart/farfalla_ann_oth_01.svg": ("farfalla", ("butterfly", "insect")),
        "openclipart/broken_thing.svg": ("broken thing", ()),
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [("Red  Apple", "red apple"), ("dog_02", "dog"), ("ox", "ox"), ("x", ""), ("1.2", ""), ("a b c d e f g h", "")],
)
def test_names_are_cleaned(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize("client", ["npm", "apt"])
def test_a_missing_client_is_named(client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DrawingsError, match=f"`{client}"):
        fetch(Package(client, "some-package", "1", "", "MIT", ""), tmp_path)


def test_a_drawing_stands_in_the_middle_of_white() -> None:
    canvas = on_white(Image.new("RGBA", (224, 112), (255, 0, 0, 255)))
    assert canvas.size == (224, 224)
    assert [canvas.getpixel(place) for place in ((112, 112), (112, 20), (1, 112))] == [
        (255, 0, 0),
        (255, 255, 255),
        (255, 255, 255),
    ]


class CountingTower:
    """Stands in for the image tower."""

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, pictures: Sequence[Image.Image]) -> Floats:
        self.seen += len(pictures)
        return np.full((len(pictures), 512), 224, np.float32)


def test_embedding_resumes_and_passes_over_unreadable_files(tmp_path: Path) -> None:
    Image.new("RGBA", (30, 60), (0, 0, 255, 255)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    pictures = [Drawing("s", tmp_path / name, "thing", ()) for name in ("good.png", "bad.png")]
    assert max(render(pictures[0]).size) == 224
    tower, lines = CountingTower(), list[str]()
    for _ in range(2):
        found = embed_drawings(pictures, tower, tmp_path / "cache", lines.append)
        assert list(found) == ["s/good.png"]
    assert tower.seen == 1
    assert "1 unreadable" in lines[0]
