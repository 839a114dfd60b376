"""Mutations of everything that is parsed: pictures, bodies, datasets. Success or a documented refusal, nothing else.

The default run has a few hundred cases; the long one, marked slow, CASES of them over all targets.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from light_service import LIMITS, check_problem, light_client
from mutations import EDITS, mutated, spliced, with_right_checksums
from nasty_frames import INDICES, gif, gif_frame
from nasty_rows import BLANK, PICTURE, WRITERS, saved, written

from service.errors import ImageError
from service.images import Picture, decode

CASES = 200_000
SLOWEST_S = 10
REFUSALS = (400, 404, 409, 413, 415, 422)
FILES = [
    *map(written, WRITERS),
    written("JPEG", progressive=True),
    written("JPEG", PICTURE.convert("CMYK")),
    saved(PICTURE.quantize(6), "BMP"),
    gif(gif_frame(INDICES // 6), gif_frame(INDICES)),
    *(written(name, BLANK, save_all=True, append_images=[PICTURE]) for name in ("PNG", "WEBP")),
    written("WEBP", PICTURE.convert("RGBA"), lossless=False),
    *(saved(PICTURE, "TIFF", compression=f"tiff_{how}") for how in ("lzw", "adobe_deflate")),
    *(saved(PICTURE, "TIFF", compression=how) for how in ("packbits", "jpeg", "zstd")),
    saved(PICTURE, "TIFF", big_tiff=True),
    saved(PICTURE.convert("1"), "TIFF", compression="group4"),
]
GOOD = FILES[1]
IMAGE = base64.b64encode(GOOD).decode()


def run(check: Callable[[Any], None], strategy: st.SearchStrategy[Any], cases: int) -> None:
    """So many cases, without shrinking what fails: what was drawn is in the report."""

    @settings(
        max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(drawn=strategy)
    def each(drawn: Any) -> None:
        started_s = time.perf_counter()
        check(drawn)
        assert time.perf_counter() - started_s < SLOWEST_S

    each()


def damaged_files() -> st.SearchStrategy[bytes]:
    files = st.sampled_from(FILES)
    edits = st.lists(EDITS, min_size=1, max_size=6)
    plain = st.builds(mutated, files, edits)
    both = st.builds(spliced, files, files, st.integers(0, 5000))
    return st.one_of(plain, plain, st.builds(with_right_checksums, plain), both, st.builds(mutated, both, edits))


def check_file(data: bytes) -> None:
    try:
        outcome: Picture | ImageError = decode(data, LIMITS)
    except ImageError as error:
        outcome = error
    assert outcome.rgb.size if isinstance(outcome, Picture) else outcome.detail


def test_damaged_files() -> None:
    run(check_file, damaged_files(), 250)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_very_many_damaged_files() -> None:
    run(check_file, damaged_files(), CASES * 6 // 10)


class Asking:
    """Requests from a thread without an event loop, in the loop of the service."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal, self._client = portal, client

    def __call__(self, method: str, path: str, body: bytes, content_type: bytes) -> httpx.Response:
        return self._portal.call(self._send, method, path, body, content_type)

    async def _send(self, method: str, path: str, body: bytes, content_type: bytes) -> httpx.Response:
        return await self._client.request(method, path, content=body, headers={"content-type": content_type})


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("fuzzing")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(light_client(folder)) as client:
        yield Asking(portal, client)


DOCUMENTS: list[dict[str, Any]] = [
    {"image": IMAGE, "dataset": "colours", "top_k": 2, "branches": ["full", "fg"], "metadata": {"place": "sea"}},
    {"images": [IMAGE, IMAGE], "dataset": "colours", "fusion": "average"},
    {"image": IMAGE, "classes": ["red", {"name": "blue", "prompts": ["a blue one"]}], "templates": ["a {}"]},
    {"name": "other", "classes": ["red", {"name": "blue", "prompts": ["a blue one"]}], "templates": ["a {}"],
     "localizer_prompts": ["thing"], "fusion": "max_confidence", "branches": ["full", "fg"], "blur": 0.1,
     "priors": {"place": {"counts": {"sea": {"red": 1, "blue": 3}}}}, "class_prior": {"red": 0.25, "blue": 0.75},
     "calibration": {"branches": ["full", "fg"], "temperatures": {"full": [1.5], "fg": [2.0]},
                     "weights": {"full": 0.5, "fg": 0.5}}},
    {"name": "seen", "classes": ["red", {"name": "part", "images": [IMAGE], "image_weight": 0.5}]},
    {"items": [{"label": "red", "embeddings": {"full": [1, 0, 0]}}, {"label": None, "image": IMAGE}], "seed": 1},
    {"version": "0123456789abcdef"},
]  # fmt: skip
PATHS = (
    ("POST", "/classify"), ("POST", "/classify/batch"), ("POST", "/datasets"), ("PUT", "/datasets/other"),
    ("POST", "/datasets/colours/calibration"), ("PUT", "/datasets/other/current"),
)  # fmt: skip
STRANGE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from([[], {}, [[]], "", "full", IMAGE, 10**400, -1, "\ud800", "\0", float("nan"), ["full"] * 30]),
)  # fmt: skip


@st.composite
def changed_documents(draw: st.DrawFn) -> bytes:
    """A document in which values, at any depth, are others, are missing, or have new neighbours. What is drawn is
    copied, as a later change may be inside of it."""
    document = json.loads(json.dumps(draw(st.sampled_from(DOCUMENTS))))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = deepcopy(draw(STRANGE))
            elif isinstance(place, dict) and draw(st.booleans()):
                place[draw(st.text(max_size=5))] = deepcopy(draw(STRANGE))
            else:
                del place[key]
            break
    return json.dumps(document).encode()


def bodies() -> st.SearchStrategy[tuple[tuple[str, str], bytes, bytes]]:
    plain = changed_documents()
    damaged = st.builds(mutated, plain, st.lists(EDITS, min_size=1, max_size=4))
    types = st.sampled_from([b"application/json"] * 8 + [b"application/json; charset=utf-16", b"text/json", b""])
    return st.tuples(st.sampled_from(PATHS), st.one_of(plain, damaged), types)


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="dataset"\r\n\r\ncolours\r\n'
    b'--b\r\nContent-Disposition: form-data; name="top_k"\r\n\r\n2\r\n'
    b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"place": "sea"}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    + GOOD + b"\r\n--b--\r\n"
)  # fmt: skip
NESTED = FORM.replace(b"Content-Type: image/png", b"Content-Type: multipart/mixed; boundary=c").replace(GOOD, b"--c--")
FORMS = (FORM, FORM.replace(b'"image"', b'"images"'), FORM + FORM, NESTED, FORM.replace(b"\r\n", b"\n"), FORM[:-6])
BOUNDARIES = [b"b"] * 8 + [
    b'"b"',
    b"-",
    b"",
    b"B",
    b"b b",
    b"b; charset=utf-16",
    b"b; charset=utf-8",
    b"b; boundary=c",
    b"\xff",
]


def forms() -> st.SearchStrategy[tuple[tuple[str, str], bytes, bytes]]:
    edits = st.lists(EDITS, max_size=5)
    types = st.sampled_from(BOUNDARIES).map(lambda boundary: b"multipart/form-data; boundary=" + boundary)
    return st.tuples(st.sampled_from(PATHS[:2]), st.builds(mutated, st.sampled_from(FORMS), edits), types)


def checking(ask: Asking) -> Callable[[tuple[tuple[str, str], bytes, bytes]], None]:
    def check(drawn: tuple[tuple[str, str], bytes, bytes]) -> None:
        (method, path), body, content_type = drawn
        answer = ask(method, path, body, content_type)
        if answer.status_code not in (200, 201):
            check_problem(answer, *REFUSALS)

    return check


@pytest.mark.parametrize("made", [bodies, forms])
def test_changed_bodies(ask: Asking, made: Callable[[], st.SearchStrategy[Any]]) -> None:
    run(checking(ask), made(), 150)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("made", [bodies, forms])
def test_very_many_changed_bodies(ask: Asking, made: Callable[[], st.SearchStrategy[Any]]) -> None:
    run(checking(ask), made(), CASES * 2 // 10)
    assert ask("POST", "/classify?dataset=colours", GOOD, b"image/png").status_code == 200
