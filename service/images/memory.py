"""Pictures that take much memory while they are decoded are decoded one at a time, however many threads there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

LARGE_BYTES = 128 * 2**20
_turn = threading.Lock()


def decoding_bytes(image: Image.Image, by: int, scans: int) -> int:
    """About what decoding an opened `image` takes at most, a JPEG of that many scans divided by `by`.

    Of a JPEG in several scans all coefficients are kept till the last one, two bytes each, at any reduction.
    """
    pixels = image.width * image.height
    if image.format != "JPEG":
        return 4 * pixels
    coefficients = pixels * len(image.getbands()) if scans > 1 else 0
    return 4 * pixels // by**2 + 2 * coefficients


@contextmanager
def one_large_at_a_time(needed_bytes: int) -> Iterator[None]:
    """Waits while another thread's large picture is decoded, if this one is large too."""
    if needed_bytes < LARGE_BYTES:
        yield
    else:
        with _turn:
            yield
