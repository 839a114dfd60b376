"""Colours by name or as #rrggbb."""

import re
from types import MappingProxyType

from service.recognition.views import Rgb

NAMED_COLOURS = MappingProxyType({"mean": None, "black": (0, 0, 0), "white": (255, 255, 255)})
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def is_colour(text: str) -> bool:
    return text in NAMED_COLOURS or _HEX.fullmatch(text) is not None


def colour_of(text: str, mean: Rgb) -> Rgb:
    """`mean` (the encoder's), `black`, `white` or `#rrggbb` as red, green, blue. Raises ValueError for others."""
    if text in NAMED_COLOURS:
        return NAMED_COLOURS[text] or mean
    if not is_colour(text):
        raise ValueError(f"{text!r} is none of {', '.join(NAMED_COLOURS)} and not #rrggbb")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
