import base64
import io
import json
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.bench.pictures import drawn, jpeg, jpeg_of_megapixels, picture_files
from service.bench.request import Request, unlike_others
from service.bench.worker import BenchFailed
from service.images import DEFAULT_LIMITS, decode

JPEG = jpeg(drawn(48, 32))


@settings(max_examples=20)
@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=60))
def test_a_mark_changes_the_bytes_and_not_the_picture(mark: str) -> None:
    marked = unlike_others(JPEG, mark)
    assert marked != JPEG
    assert np.array_equal(decode(marked).rgb, decode(JPEG).rgb)


def test_only_a_jpeg_can_be_marked() -> None:
    with pytest.raises(ValueError, match="JPEG"):
        unlike_others(b"\x89PNG", "a")


def parts_of(message: bytes) -> dict[str, bytes]:
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    whole = BytesParser().parsebytes(f"content-type: {headers['content-type']}\r\n\r\n".encode() + body)
    found = {}
    for part in whole.get_payload():
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        found[str(part.get_param("name", header="content-disposition"))] = content  # type: ignore[union-attr]
    return found  # type: ignore[return-value]


def test_requests_go_round_in_pictures_and_fields(tmp_path: Path) -> None:
    files = []
    for number in range(2):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(jpeg(drawn(32, 24, number)))
    request = Request("http://here:81/classify", list(map(str, files)), [{"dataset": name} for name in "abc"])
    assert request.address == ("here", 81)
    messages = request.messages()
    sent = [parts_of(next(messages)) for _ in range(4)]
    assert [part["dataset"] for part in sent] == [b"a", b"b", b"c", b"a"]
    shown = [decode(part["image"]).rgb for part in sent]
    assert np.array_equal(shown[0], shown[2])
    assert not np.array_equal(shown[0], shown[1])


def test_an_embeddings_request_holds_the_picture_as_a_data_uri(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    request = Request("http://here/e", [str(tmp_path / "a.jpg")], [{"model": "m"}], "embeddings", distinct=False)
    head, _, body = next(request.messages()).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /e HTTP/1.1\r\nhost: here\r\n")
    document = json.loads(body)
    assert document == {"model": "m", "input": [f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"]}


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form"):
        Request("http://here", ["a"], form="letter")


@pytest.mark.parametrize("megapixels", [0.1, 0.5, 2])
def test_a_picture_has_the_size_asked_for_and_never_more(megapixels: float) -> None:
    data = jpeg_of_megapixels(megapixels, 20 * 2**20)
    width, height = Image.open(io.BytesIO(data)).size
    assert megapixels * 0.99e6 < width * height <= megapixels * 1e6


def test_a_picture_that_must_be_small_is_compressed_harder_or_refused() -> None:
    usual = len(jpeg_of_megapixels(0.2, 10**9))
    assert len(jpeg_of_megapixels(0.2, usual // 2)) <= usual // 2
    with pytest.raises(BenchFailed, match="megapixels"):
        jpeg_of_megapixels(0.2, 1000)


def test_a_drawn_picture_weighs_what_a_photograph_does() -> None:
    assert 60_000 < len(jpeg(drawn(640, 480))) < 110_000


def test_own_pictures_become_jpegs_and_others_are_passed_over(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.jpg").write_bytes(JPEG)
    Image.new("RGB", (20, 10), "red").save(own / "b.png")
    (own / "c.png").write_bytes(b"no picture")
    files = picture_files(tmp_path / "made", own, DEFAULT_LIMITS)
    assert [decode(Path(name).read_bytes()).format for name in files] == ["jpeg", "jpeg"]
    assert Path(files[0]).read_bytes() == JPEG
    (tmp_path / "none").mkdir()
    with pytest.raises(BenchFailed, match="no picture"):
        picture_files(tmp_path / "made", tmp_path / "none", DEFAULT_LIMITS)
