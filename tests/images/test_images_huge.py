import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_files import Array, exif, saved, stored
from PIL import Image

import service
from service.images import ImageLimits, decode


def quarters(width: int, height: int) -> Array:
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2], rgb[: height // 2, width // 2 :] = (200, 30, 30), (30, 200, 30)
    rgb[height // 2 :, : width // 2], rgb[height // 2 :, width // 2 :] = (30, 30, 200), (220, 220, 40)
    return rgb


@pytest.mark.parametrize(
    ("size", "working_pixels", "by", "orientation"),
    [
        ((2304, 2304), 2304 * 2304, 1, 1),
        ((2304, 2305), 2304 * 2305 - 1, 2, 6),
        ((2304, 2304), 100, 2, 1),
        ((4099, 4101), 100, 4, 6),
        ((2000, 3001), 100, 1, 8),
        ((5000, 2101), 100, 2, 5),
    ],
)
def test_huge_jpeg_is_decoded_reduced(size: tuple[int, int], working_pixels: int, by: int, orientation: int) -> None:
    width, height = size
    upright = quarters(width, height)
    data = saved(Image.fromarray(stored(upright, orientation)), "JPEG", exif=exif(orientation))
    picture = decode(data, ImageLimits(working_pixels=working_pixels))
    assert (picture.width, picture.height) == size
    assert picture.rgb.shape == (-(-height // by), -(-width // by), 3)
    assert picture.scale == pytest.approx((by, by), rel=0.01)
    for y in (0.25, 0.75):
        for x in (0.25, 0.75):
            found = picture.rgb[int(y * picture.rgb.shape[0]), int(x * picture.rgb.shape[1])]
            assert np.abs(found.astype(int) - upright[int(y * height), int(x * width)]).max() <= 4


MEASURE = """
import pathlib, re, resource, sys, time
from service.images import decode
data = sys.stdin.buffer.read()
status = pathlib.Path("/proc/self/status")

def peak_kib():  # what resource tells may be the parent's
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before, start = peak_kib(), time.perf_counter()
picture = decode(data)
print((peak_kib() - before) / 1024, time.perf_counter() - start, picture.width * picture.height)
"""


def cost_of(megapixels: int) -> tuple[float, float]:
    """Memory in MiB and seconds that decoding a JPEG takes in a process of its own."""
    side = int((megapixels * 10**6) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (side // 32, side // 32, 3), np.uint8)
    data = saved(Image.fromarray(noise).resize((side, side), Image.Resampling.BILINEAR), "JPEG", quality=85)
    env = os.environ | {"PYTHONPATH": str(Path(service.__file__).parents[1])}
    out = subprocess.run([sys.executable, "-c", MEASURE], input=data, capture_output=True, check=True, env=env).stdout
    memory, seconds, pixels = map(float, out.split())
    assert pixels == side * side
    return memory, seconds


def test_cost_of_a_large_jpeg() -> None:
    memory_mib, seconds = cost_of(25)
    assert 15 < memory_mib < 100
    assert seconds < 1.5


@pytest.mark.slow
def test_cost_of_a_huge_jpeg() -> None:
    memory_mib, seconds = cost_of(100)
    assert 15 < memory_mib < 400
    assert seconds < 1.5
