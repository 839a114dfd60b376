"""Pictures that take much memory while they are decoded are decoded one at a time, however many threads there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from service.images.evidence import first_scan

LARGE_BYTES = 128 * 2**20
_turn = threading.Lock()


class LargePicture(Exception):
    """Decoding it takes LARGE_BYTES or more."""


def decoding_bytes(image: Image.Image, data: bytes, by: int) -> int:
    """About what decoding an `image` opened from `data` takes at most, a JPEG divided by `by`.

    Of a JPEG in several scans all coefficients are kept till the last one, two bytes each, at any reduction.
    """
    pixels = image.width * image.height
    if image.format != "JPEG":
        return 4 * pixels
    # Counting the scans would count those of the thumbnail too; a first scan of all components is the only one
    components, start = len(image.getbands()), first_scan(data)
    in_several = "progressive" in image.info or int.from_bytes(data[start + 4 : start + 5]) < components
    return 4 * pixels // by**2 + (2 * pixels * components if in_several else 0)


@contextmanager
def one_large_at_a_time(needed_bytes: int) -> Iterator[None]:
    """Waits while another thread's large picture is decoded, if this one is large too."""
    if needed_bytes < LARGE_BYTES:
        yield
    else:
        with _turn:
            yield
