"""Whether a PNG holds as many rows as its header says: Pillow leaves those that are missing empty."""

import zlib

import numpy as np
from PIL import Image

from service.images.evidence import png_chunks

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
WHOLE = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
FED_BYTES, PIECE_BYTES = 2**16, 2**20  # of what comes in, and of what comes out, at a time


def lacks_rows(image: Image.Image, data: bytes) -> bool:
    """Of a loaded `image` and its `data`, whose chunks are sound. Counting takes as long as decoding, so it is done
    only where one of the last two rows is empty."""
    last = np.asarray(image.crop((0, max(0, image.height - 2), image.width, image.height)))
    if last.reshape(len(last), -1).any(axis=1).all():
        return False
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    bits, passes = data[24] * SAMPLES[data[25]], ADAM7 if data[28] else WHOLE
    wanted = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        wanted += rows * (1 + (columns * bits + 7) // 8) if columns > 0 else 0
    return not _holds(data, wanted)


def _holds(data: bytes, wanted: int) -> bool:
    stream, found = zlib.decompressobj(), 0
    for name, start, end in png_chunks(data):
        for at in range(start, end, FED_BYTES) if name == b"IDAT" else ():
            rest = data[at : min(at + FED_BYTES, end)]
            while rest and found < wanted:
                found += len(stream.decompress(rest, PIECE_BYTES))
                rest = stream.unconsumed_tail
    return found >= wanted
