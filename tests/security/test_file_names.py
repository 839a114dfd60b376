"""What strangers write around a picture in a form: file names, names of fields, headers of parts."""

from collections.abc import AsyncIterator

import httpx
import pytest
from light_service import check_problem, light_client
from nasty_rows import PICTURE, saved

pytestmark = pytest.mark.anyio
GOOD = saved(PICTURE, "PNG")


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with light_client(tmp_path_factory.mktemp("names")) as opened:
        yield opened


def form(disposition: bytes, more: bytes = b"", picture: bytes = GOOD) -> bytes:
    """A form of a dataset's name and one part with that disposition."""
    fields = b'--b\r\nContent-Disposition: form-data; name="dataset"\r\n\r\ncolours\r\n'
    return (
        fields + b"--b\r\nContent-Disposition: " + disposition + b"\r\n" + more + b"\r\n" + picture + b"\r\n--b--\r\n"
    )


async def post(client: httpx.AsyncClient, body: bytes, parameters: str = "") -> httpx.Response:
    headers = {"content-type": f"multipart/form-data; boundary=b{parameters}".encode()}
    return await client.post("/classify", content=body, headers=headers)


FILE_NAMES = {
    "path": b"../../../../etc/passwd",
    "absolute path": b"/dev/stdin",
    "windows path": b"C:\\\\windows\\\\system32\\\\con.jpg",
    "nul": b"a.jpg\0.exe",
    "escaped quotes": b'a\\".jpg',
    "four thousand characters": b"a" * 3900,
    "right to left": "photo\u202egpj.exe".encode(),
    "not UTF-8": b"\xff\xfe\xc0\xaf.jpg",
    "nothing": b"",
    "dots": b"..",
    "shell": b"$(reboot);`reboot`|reboot.jpg",
    "markup": b"<img src=x onerror=alert(1)>.jpg",
    "emoji": "\U0001f9a5.jpg".encode(),
    "another type": b"picture.php",
    "percent": b"%00%2e%2e%2f.jpg",
    "line feed": b"a%0d%0aX-Evil: 1.jpg",
}


@pytest.mark.parametrize("name", FILE_NAMES)
async def test_a_file_name_changes_nothing(client: httpx.AsyncClient, name: str) -> None:
    answer = await post(client, form(b'form-data; name="image"; filename="' + FILE_NAMES[name] + b'"'))
    assert answer.status_code == 200, answer.text
    assert answer.json()["label"] == "red"
    assert "passwd" not in answer.text


SOUND = {
    "without quotes": b"form-data; name=image; filename=a.jpg",
    "with the name twice": b'form-data; name="image"; filename="a"; filename="b"',
    "with an encoded file name": b'form-data; name="image"; filename="a"; filename*=UTF-8\'\'%e2%82%ac.jpg',
    "in upper case": b'FORM-DATA; NAME="image"; FILENAME="a.jpg"',
}


@pytest.mark.parametrize("disposition", SOUND)
async def test_other_spellings_are_understood(client: httpx.AsyncClient, disposition: str) -> None:
    answer = await post(client, form(SOUND[disposition]))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("disposition", "status", "word"),
    [
        (b"form-data", 400, "name"),
        (b"", 400, "name"),
        (b'form-data; name="image"', 422, "must be a file"),
        (b'form-data; name="picture"; filename="a"', 422, "picture"),
        (b'form-data; name="image\xff"; filename="a"', 422, "is not a known file"),
        (b'form-data; name="images"; filename="a"', 422, "images"),
        (b'form-data; name=""; filename="a"', 422, "is not a known file"),
        (b'form-data; name="image"; filename="' + b"a" * 10_000 + b'"', 400, "cannot be parsed"),
    ],
)
async def test_parts_that_are_no_picture_are_refused(
    client: httpx.AsyncClient, disposition: bytes, status: int, word: str
) -> None:
    problem = check_problem(await post(client, form(disposition)), status)
    assert word in problem["detail"]


@pytest.mark.parametrize(
    "more",
    [
        b"Content-Type: text/html\r\n",
        b"Content-Type: \xff\xff\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Length: 99999999999\r\n",
        b"Content-Encoding: gzip\r\n",
        b"X: y\r\n" * 5,
    ],
)
async def test_a_parts_other_headers_are_not_believed(client: httpx.AsyncClient, more: bytes) -> None:
    answer = await post(client, form(b'form-data; name="image"; filename="a"', more))
    assert answer.status_code == 200, answer.text


CHARSETS = ("punycode", "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "utf-16", "utf-32", "zlib", "hex",
            "rot13", "undefined", "no-such-charset", "\u00ff", "../../etc/passwd", "a" * 5000)  # fmt: skip


@pytest.mark.parametrize("charset", CHARSETS)
async def test_another_charset_than_utf_8_is_refused(client: httpx.AsyncClient, charset: str) -> None:
    """Some decoders that bear a charset's name take the square of the text's length."""
    text = b'--b\r\nContent-Disposition: form-data; name="localizer_prompt"\r\n\r\n' + b"a-" + b"9" * 500_000 + b"\r\n"
    body = text + form(b'form-data; name="image"; filename="a"')
    answer = await post(client, body, f"; charset={charset}")
    problem = check_problem(answer, 400)
    assert "charset" in problem["detail"]


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii"])
async def test_utf_8_may_be_named(client: httpx.AsyncClient, charset: str) -> None:
    body = form(b'form-data; name="image"; filename="a"')
    answer = await post(client, body, f"; charset={charset}")
    assert answer.status_code == 200, answer.text
