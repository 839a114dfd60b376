"""Openly licensed drawings with names: the only pictures the text projector learns from.

Skin-tone variants and flags are left out, and so are symbols: they name no visible thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from service.models.projector.packages import PACKAGES, fetch

OBJECT_GROUPS = frozenset({0, 1, 3, 4, 5, 6, 7})  # emojibase groups; 2 components, 8 symbols and 9 flags are left out
OPENCLIPART_FOLDERS = (
    "animals", "buildings", "computer/games", "computer/hardware", "containers", "decorations", "education",
    "electronics", "food", "geography/astronomy", "office", "people", "plants", "recreation", "science",
    "signs_and_symbols/weather", "tools", "transportation", "unsorted",
)  # fmt: skip
OPENCLIPART_LEFT_OUT = ("recreation/games/cards", "transportation/roadsigns", "transportation/aiga-symbols")
_NO_TITLE = re.compile(r"clip ?art|submi|sibmi|untitled|openclipart|^\W*$", re.IGNORECASE)
_NOISE = frozenset({"bw", "ganson", "hash", "md", "svg", "clipart", "icon", "duo", "aj"})  # of clip file names
_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


@dataclass(frozen=True)
class Drawing:
    """One picture: a .svg, .png or .webp file, what it shows, and what else it may be called."""

    style: str
    path: Path
    name: str
    tags: tuple[str, ...]

    @property
    def key(self) -> str:
        """Stable name of the picture, the same on every machine: style and file name."""
        return f"{self.style}/{self.path.name}"


def drawings(cache_dir: Path, progress: Callable[[str], None]) -> Iterator[Drawing]:
    """Yield every drawing of `PACKAGES`, fetching what is not yet in `cache_dir`. Raises `DrawingsError`."""
    names_package, *picture_packages = PACKAGES
    emoji = _emoji_names(fetch(names_package, cache_dir) / "data" / "package" / "en" / "data.json")
    for package in picture_packages:
        progress(f"drawings: {package.name} {package.version}")
        folder = fetch(package, cache_dir) / "data"
        if package.style == "openclipart":
            yield from _openclipart(folder / "usr" / "share" / "openclipart" / "svg")
        elif package.name.startswith("@iconify-json/"):
            yield from _emoji(package.style, _icon_codes(folder / "package"), emoji)
        else:
            files = [path for path in folder.rglob("*") if path.suffix in {".svg", ".png", ".webp"}]
            yield from _emoji(package.style, {_code(path.stem): path for path in files}, emoji)


def _code(text: str) -> str:
    return "-".join(part for part in text.lower().split("-") if part != "fe0f")


def _emoji_names(data_json: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    entries = json.loads(data_json.read_text(encoding="utf-8"))
    kept = (entry for entry in entries if entry.get("group") in OBJECT_GROUPS)
    return {_code(entry["hexcode"]): (clean_name(entry["label"]), tuple(entry.get("tags", ()))) for entry in kept}


def _emoji(style: str, paths: dict[str, Path], emoji: dict[str, tuple[str, tuple[str, ...]]]) -> Iterator[Drawing]:
    for code, path in sorted(paths.items()):
        if code in emoji and emoji[code][0]:
            yield Drawing(style, path, *emoji[code])


def _icon_codes(package_dir: Path) -> dict[str, Path]:
    """Code points -> picture of an Iconify emoji set (its chars.json maps them to the names of its icons)."""
    chars = json.loads((package_dir / "chars.json").read_text(encoding="utf-8"))
    icons = _write_icons(package_dir)
    return {_code(code): icons[name] for code, name in chars.items() if name in icons}


def _write_icons(package_dir: Path) -> dict[str, Path]:
    """Unpack the SVG bodies of an Iconify set into files; return icon name -> file."""
    icons = json.loads((package_dir / "icons.json").read_text(encoding="utf-8"))
    folder = package_dir / "svg"
    folder.mkdir(exist_ok=True)
    paths = {}
    for name, icon in icons["icons"].items():
        left, top = icon.get("left", 0), icon.get("top", 0)
        width = icon.get("width", icons.get("width", 16))
        height = icon.get("height", icons.get("height", 16))
        paths[name] = folder / f"{name}.svg"
        head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        view = f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}"'
        paths[name].write_text(f"{head} {view}>{icon['body']}</svg>", encoding="utf-8")
    return paths


def _openclipart(folder: Path) -> Iterator[Drawing]:
    filed: set[str] = set()
    for path in sorted(folder.rglob("*.svg")):
        place = path.parent.relative_to(folder).as_posix()
        if not place.startswith(OPENCLIPART_FOLDERS) or place.startswith(OPENCLIPART_LEFT_OUT):
            continue
        if path.name in filed:  # one clip is filed under several subjects: count it once
            continue
        filed.add(path.name)
        title, creator, subjects = _clipart_words(path)
        titles = [title] if title and not _NO_TITLE.search(title) else []
        parts = [part for text in (*titles, _file_title(path.stem, creator)) for part in re.split(r" - |[()/,;]", text)]
        names = list(dict.fromkeys(name for part in parts if (name := clean_name(part))))
        tags = [tag for subject in subjects if (tag := clean_name(subject))]
        if names:
            yield Drawing("openclipart", path, names[0], tuple(dict.fromkeys(names[1:] + tags)))


def _clipart_words(path: Path) -> tuple[str, str, list[str]]:
    """Title, creator and keywords of one clip, from its RDF block; empty where it has none or is no well-formed XML."""
    try:
        work = ElementTree.parse(path).getroot()  # noqa: S314  a pinned package from a signed archive
    except ElementTree.ParseError:
        return "", "", []
    title, creator = work.findtext(f".//{_DC}title"), work.findtext(f".//{_DC}creator//{_DC}title")
    subjects = [item.text or "" for item in work.iterfind(f".//{_DC}subject//{_RDF}li")]
    return title or "", creator or "", subjects


def _file_title(stem: str, creator: str) -> str:
    """Name in a clip's file name, which ends in its creator's name, often cut short: `farfalla_francesco_ro_01`."""
    authored = re.split(r"[_\W]+", creator.lower())
    words = [word for word in re.split(r"[_\d\W]+", stem.lower()) if word]
    for place, word in enumerate(words):
        if place > 0 and authored[0] and authored[0].startswith(word):
            return " ".join(words[:place])
    return " ".join(words)


def clean_name(text: str) -> str:
    """Lower-case words of a title: no numbering, no punctuation; empty if nothing like a name is left."""
    words = [word for word in re.sub(r"[^\w' ]+|[_\d]+", " ", text.lower()).split() if word not in _NOISE]
    return " ".join(words) if 0 < len(words) <= 7 and len("".join(words)) > 1 else ""
