"""What is allowed in (ImageLimits) and what comes out (Picture)."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from service.images.formats import FORMATS


@dataclass(frozen=True)
class ImageLimits:
    """How much of a stranger's image is decoded; every number is at least 1, every format known, else ValueError.

    max_bytes: of the file. max_pixels: of a frame, by its header; also of all frames searched in an animation
    (beyond 178,956,970, Pillow refuses GIF, WebP and TIFF by itself).
    working_pixels: pictures with more are reduced to 1/2, 1/4 or 1/8, JPEGs while they are decoded; the shortest side
    keeps 1024 pixels as long as the picture keeps no more than 8 million.
    max_frames: how many frames of an animation are searched for one that is not blank.
    max_metadata_bytes: of EXIF, colour profile, XMP, comments and other texts together.
    formats: keys of FORMATS; others are refused.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 100_000_000
    working_pixels: int = 4_000_000
    max_frames: int = 32
    max_metadata_bytes: int = 4 * 2**20
    formats: tuple[str, ...] = tuple(FORMATS)

    def __post_init__(self) -> None:
        names = self.formats if isinstance(self.formats, tuple) else ()
        if not names or not FORMATS.keys() >= set(names):
            raise ValueError(f"formats must be some of {', '.join(FORMATS)}, not {self.formats!r}.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "formats":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{field.name} must be a whole number of at least 1, not {value!r}.")


DEFAULT_LIMITS = ImageLimits()
FINE_LIMITS = ImageLimits(working_pixels=16_000_000)  # for pictures that are to be seen or edited


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image: `rgb` uint8 [H, W, 3] in sRGB, upright and read-only.

    width, height: of the upright original in pixels, never less than W and H (a large picture is reduced).
    format: a key of FORMATS. Raises ValueError if the parts contradict each other.
    """

    rgb: NDArray[np.uint8]
    width: int
    height: int
    format: str

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3 or self.rgb.dtype != np.uint8 or not self.rgb.size:
            raise ValueError(f"rgb must be uint8 [H, W, 3], not {self.rgb.dtype} {list(self.rgb.shape)}.")
        if self.rgb.flags.writeable:
            raise ValueError("rgb must be read-only.")
        if self.width < self.rgb.shape[1] or self.height < self.rgb.shape[0]:
            raise ValueError(f"The original ({self.width} x {self.height}) is smaller than rgb {list(self.rgb.shape)}.")

    @property
    def scale(self) -> tuple[float, float]:
        """Original pixels per array pixel, (x, y)."""
        return self.width / self.rgb.shape[1], self.height / self.rgb.shape[0]
