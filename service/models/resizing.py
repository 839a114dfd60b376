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
    squashed: NDArray[np.uint8] = _resized(torch.from_numpy(rgb).unsqueeze(0).permute(0, 3, 1, 2), side_px, by)
    return squashed.transpose(1, 2, 0)


def resized_planes(rgb: NDArray[np.uint8], side_px: int, by: Filter) -> NDArray[np.uint8]:
    """`rgb [H, W, 3]` squashed to `[3, side_px, side_px]`."""
    return _resized(torch.from_numpy(rgb).permute(2, 0, 1).unsqueeze(0), side_px, by)


def _resized(pictures: torch.Tensor, side_px: int, by: Filter) -> NDArray[np.uint8]:
    """The first of `[1, 3, H, W]` squashed. torch has a fast way for colours side by side; the order of its answer's
    memory depends on whether the picture was made one of several before its colours came first, or after."""
    small = torch.nn.functional.interpolate(pictures, size=(side_px, side_px), mode=by, antialias=True)
    squashed: NDArray[np.uint8] = small[0].numpy()
    return squashed


def _be_told_once() -> None:
    """torch warns once in a process of what it could change although it must not; here it changes nothing."""
    unwritable = np.zeros(1, np.uint8)
    unwritable.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(unwritable)


_be_told_once()
