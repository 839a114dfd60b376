"""Which pictures take part, and what they are called: names that are safe, unique and the same in any order."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.evaluation.labelled import Labelled
from service.evaluation.variants.files import digest_of
from service.evaluation.variants.tables import Skipped

LONGEST_NAME = 60  # characters; file systems allow 255 bytes


@dataclass(frozen=True)
class Named:
    """A picture and its name: `label/stem`, safe as a path, unique without regard to case. source: names its object."""

    picture: Labelled
    name: str
    source: str


def named(pictures: Iterable[Labelled]) -> tuple[list[Named], list[Skipped]]:
    """Those with a label, each once, in the order of their labels and paths; and why others are left out."""
    skipped: list[Skipped] = []
    by_key: dict[str, Labelled] = {}
    given = list(pictures)
    for picture, path in zip(given, _relative([picture.path for picture in given]), strict=True):
        box = list(vars(picture.box).values()) if picture.box else None
        key = digest_of(picture.label, path, box, picture.source)
        if not picture.label:
            skipped.append(Skipped(picture.path, "it has no label"))
        elif key in by_key:
            skipped.append(Skipped(picture.path, "it is listed twice"))
        else:
            by_key[key] = picture
    folders = _unique({picture.label: picture.label for picture in by_key.values()})
    stems = _unique({key: picture.path.stem for key, picture in by_key.items()}, by_key)
    rows = []
    for key, picture in by_key.items():
        name = f"{folders[picture.label]}/{stems[key]}"
        rows.append(Named(picture, name, picture.source or name))
    return sorted(rows, key=lambda row: (row.picture.label, row.name)), skipped


def safe_name(text: str) -> str:
    """`text` as the name of a file: letters, digits, underscores, spaces, dots and dashes; never empty or hidden."""
    kept = re.sub(r"[^\w .-]", "_", unicodedata.normalize("NFC", text[: 4 * LONGEST_NAME]))[:LONGEST_NAME].strip(" .")
    return kept or "_"


def _unique(wished: Mapping[str, str], within: Mapping[str, Labelled] | None = None) -> dict[str, str]:
    """Safe names by key; those that would meet in a folder get a part of their key's digest, whatever their order."""
    safe = {key: safe_name(text) for key, text in wished.items()}
    places = {key: (within[key].label if within else "", name.casefold()) for key, name in safe.items()}
    times = Counter(places.values())
    return {key: name if times[places[key]] == 1 else f"{name}-{digest_of(key)[:8]}" for key, name in safe.items()}


def _relative(paths: list[Path]) -> list[str]:
    """The paths from the folder that holds them all, so that names do not depend on where that is."""
    whole = [os.path.normpath(path.absolute()) for path in paths]
    shared = os.path.commonpath([Path(path).parent for path in whole]) if whole else ""
    return [Path(path).relative_to(shared).as_posix() for path in whole]
