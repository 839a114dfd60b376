"""Pictures made smaller or larger on processors, several times faster than by Pillow.

torch's antialiased filters for bytes are Pillow's, to within two levels; only what overshoots black or white between
the two passes may differ by more, as they may come in the other order.
"""

import warnings
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

Filter = Literal["bilinear", "bicubic", "lanczos"]


def resized_square(rgb: NDArray[np.uint8], side_px: int, by: Filter) -> NDArray[np.uint8]:
    """`rgb [H, W, 3]` squashed to `[side_px, side_px, 3]`."""
    # torch has a fast way for colours side by side, where the picture was made one of several before they came first
    pictures = torch.from_numpy(rgb).unsqueeze(0).permute(0, 3, 1, 2)
    small = torch.nn.functional.interpolate(pictures, size=(side_px, side_px), mode=by, antialias=True)
    squashed: NDArray[np.uint8] = small[0].permute(1, 2, 0).numpy()
    return squashed


def _be_told_once() -> None:
    """torch warns once in a process of what it could change although it must not; here it changes nothing."""
    unwritable = np.zeros(1, np.uint8)
    unwritable.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(unwritable)


_be_told_once()
