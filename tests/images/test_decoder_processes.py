"""Pictures decoded in another process are what they are in this one, and so are the refusals."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import FILES, VARIANTS, H, W, exif, flat, gif_of, png, saved
from PIL import Image
from test_images_fuzz import EDITS
from test_images_fuzz import FILES as KINDS

from service.errors import ImageError, ImageUnreadable
from service.images import DEFAULT_LIMITS, Decode, ImageLimits, LargePicture, decode
from service.images.memory import LARGE_BYTES, one_large_at_a_time
from service.images.processes import DecoderProcesses
from service.settings import bare_environment

ALL = FILES | VARIANTS | KINDS
LIMITS = ImageLimits(max_pixels=1_000_000)
MEMORY_BYTES = 256 * 2**20
LARGE = png(6000, 6000, 8, 2, [bytes(18000)] * 6000)


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderProcesses]:
    processes = DecoderProcesses(2, memory_bytes=MEMORY_BYTES, environment=bare_environment())
    yield processes
    processes.close()


def outcome(way: Decode, data: bytes, limits: ImageLimits = LIMITS, small_only: bool = False) -> object:
    try:
        picture = way(data, limits, small_only)
    except ImageError as error:
        return type(error), error.detail
    except LargePicture:
        return LargePicture
    assert not picture.rgb.flags.writeable
    return picture.rgb.shape, picture.rgb.tobytes(), picture.width, picture.height, picture.format


@pytest.mark.parametrize("name", ALL)
def test_every_kind_of_file(decoders: DecoderProcesses, name: str) -> None:
    assert outcome(decoders.decode, ALL[name]) == outcome(decode, ALL[name])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "limits",
    [
        ImageLimits(max_pixels=W * H - 1),
        ImageLimits(max_bytes=100),
        ImageLimits(formats=("jpeg", "heif")),
        ImageLimits(max_metadata_bytes=1),
        ImageLimits(working_pixels=100, max_frames=1),
    ],
)
def test_every_limit(decoders: DecoderProcesses, name: str, limits: ImageLimits) -> None:
    assert outcome(decoders.decode, FILES[name], limits) == outcome(decode, FILES[name], limits)


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.new("RGB", (3000, 2500), (200, 10, 10)), "JPEG", exif=exif(6)),
        gif_of(flat(0, 0, 0), flat(9, 9, 9)),
        b"",
        b"plain text",
        FILES["png"][:-20],
    ],
)
def test_what_is_reduced_turned_blank_empty_or_cut_short(decoders: DecoderProcesses, data: bytes) -> None:
    assert outcome(decoders.decode, data, DEFAULT_LIMITS) == outcome(decode, data, DEFAULT_LIMITS)


@settings(max_examples=150)
@given(name=st.sampled_from(sorted(KINDS)), edits=EDITS)
def test_damaged_files(decoders: DecoderProcesses, name: str, edits: list[tuple[int, int, bytes]]) -> None:
    data = KINDS[name]
    for place, removed, piece in edits:
        at = place % len(data)
        data = data[:at] + piece + data[at + removed :] or b"\0"
    assert outcome(decoders.decode, data) == outcome(decode, data)


@settings(max_examples=100)
@given(start=st.sampled_from([b"", *(data[:12] for data in FILES.values())]), data=st.binary(max_size=200))
def test_random_bytes(decoders: DecoderProcesses, start: bytes, data: bytes) -> None:
    assert outcome(decoders.decode, start + data) == outcome(decode, start + data)


def test_many_threads_get_their_own_pictures(decoders: DecoderProcesses) -> None:
    files = [saved(Image.new("RGB", (20 + number, 9), (number, 0, 200)), "PNG") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for number, picture in enumerate(pool.map(decoders.decode, files * 3)):
            number %= 40
            assert (picture.width, picture.rgb[3, 3].tolist()) == (20 + number, [number, 0, 200])


def test_large_pictures_wait_for_each_other_and_nobody_waits_for_them(decoders: DecoderProcesses) -> None:
    with pytest.raises(LargePicture):
        decoders.decode(LARGE, small_only=True)
    with ThreadPoolExecutor(1) as pool:
        with one_large_at_a_time(LARGE_BYTES):
            waiting = pool.submit(decoders.decode, LARGE)
            for _ in range(10):
                assert np.array_equal(decoders.decode(FILES["png"]).rgb, decode(FILES["png"]).rgb)
            assert not waiting.done()
        assert waiting.result(30).width == 6000


def test_a_picture_that_needs_more_memory_than_allowed_is_refused(decoders: DecoderProcesses) -> None:
    huge = png(9000, 9000, 8, 6, [b""])  # 324 MB of pixels, of which the file has none
    with pytest.raises(ImageUnreadable, match="truncated"):
        decode(huge)
    with pytest.raises(ImageUnreadable, match="more memory"):
        decoders.decode(huge)
    assert decoders.decode(FILES["png"]).width == W


def test_a_decoder_knows_no_secret_has_few_files_and_ends_before_the_service(
    decoders: DecoderProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L2R2_DATABASE_URL", "postgresql://user:secret@host/name")
    monkeypatch.setenv("PGPASSWORD", "secret")
    own = DecoderProcesses(1, environment=bare_environment())
    own.wait_ready()
    own.decode(FILES["png"])
    [pid] = own.pids
    place = Path(f"/proc/{pid}")
    environment = (place / "environ").read_text()
    assert "PYTHONPATH" in environment
    assert "secret" not in environment
    assert "L2R2_" not in environment
    limits = {line[:26].strip(): line[26:].split() for line in (place / "limits").read_text().splitlines()[1:]}
    assert limits["Max core file size"][:2] == ["0", "0"]
    assert limits["Max file size"][:2] == ["0", "0"]
    assert limits["Max data size"][:2] == [str(2 * 2**30)] * 2
    assert int(limits["Max open files"][0]) <= 32
    assert int((place / "oom_score_adj").read_text()) == 1000
    own.close()


def test_a_decoder_loads_nothing_but_the_codecs() -> None:
    code = "import sys, service.images.worker; print(*{name.split('.')[0] for name in sys.modules})"
    root = str(Path(__file__).parents[2])
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=root, text=True)
    loaded = set(out.stdout.split())
    assert {"numpy", "PIL", "pillow_heif"} <= loaded
    assert not loaded & {"torch", "scipy", "pydantic", "fastapi", "sqlalchemy", "transformers", "openvino", "httpx"}
