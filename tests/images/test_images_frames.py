import numpy as np
import pytest
from image_files import FILES, IMAGE, RGB, TWO, H, W, farthest, flat, gif_of, saved
from PIL import Image

from service.images import ImageLimits, decode


@pytest.mark.parametrize(("file_format", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_first_frame_that_is_not_blank(file_format: str, options: dict[str, object]) -> None:
    frames = [flat(0, 0, 0), flat(255, 255, 255), TWO, IMAGE]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    assert farthest(decode(data), np.asarray(TWO)) <= 1


def test_first_frame_that_is_not_blank_in_avif() -> None:
    data = saved(flat(0, 0, 0), "AVIF", save_all=True, append_images=[TWO], quality=95)
    assert np.abs(decode(data).rgb[8, [2, 20]].astype(int) - [[250, 10, 10], [10, 10, 250]]).max() < 20


def test_transparent_frame_is_blank() -> None:
    clear = Image.fromarray(np.dstack([RGB, np.zeros((H, W), np.uint8)]))
    data = saved(clear, "PNG", save_all=True, append_images=[TWO.convert("RGBA")], blend=0)
    assert farthest(decode(data), np.asarray(TWO)) == 0


def test_first_frame_if_all_are_blank() -> None:
    assert decode(gif_of(flat(9, 0, 0), flat(0, 9, 0), flat(0, 0, 9))).rgb[0, 0].tolist() == [9, 0, 0]


def test_frames_are_searched_up_to_the_limit() -> None:
    data = gif_of(flat(0, 0, 0), flat(1, 1, 1), flat(2, 2, 2), TWO)
    assert farthest(decode(data, ImageLimits(max_frames=4)), np.asarray(TWO)) == 0
    assert decode(data, ImageLimits(max_frames=3)).rgb.max() == 0
    assert decode(data, ImageLimits(max_pixels=2 * W * H)).rgb.max() == 0


def test_first_page_of_tiff_is_taken_even_if_blank() -> None:
    assert decode(saved(flat(1, 2, 3), "TIFF", save_all=True, append_images=[TWO])).rgb[0, 0].tolist() == [1, 2, 3]


def test_phone_jpeg_with_further_pictures() -> None:
    data = saved(IMAGE, "MPO", save_all=True, append_images=[flat(0, 0, 0)])
    assert farthest(decode(data), decode(FILES["jpeg"]).rgb) == 0
    at = data.index(b"MPF\0")
    broken = data[: at + 4] + b"\xff" * 60 + data[at + 64 :]
    assert farthest(decode(broken), decode(FILES["jpeg"]).rgb) == 0
