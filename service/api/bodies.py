"""The forms of a picture on the wire: multipart, the raw bytes, base64 in JSON, and an address in either."""

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.api.fields import ClassifyFields
from service.api.json_pieces import parse
from service.api.pictures import Picture, PictureUrl
from service.api.problems import invalid_fields, too_many_found
from service.api.texts import FormTexts
from service.errors import BadRequest, FieldProblem, InvalidFields, UnsupportedMediaType

MOST_FORM_FIELDS = 64
MOST_REPEATED = 1000  # values of the fields that may be repeated; more travel as one JSON array
REPEATED = ("branches", "classes", "templates")
MOST_VALUES = 10_000  # of a JSON body, and as many lists and objects
CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")
ACCEPTED = "multipart/form-data, application/json, or image/* with query parameters"


class _MemoryParser(MultiPartParser):
    """The body's size is bounded before it gets here, so files need not go through the disk."""

    spool_max_size = 2**31

    def close_files(self) -> None:
        """Also those of parts that never ended, which no form holds."""
        for file in self._files_to_close_on_error:
            file.close()


@dataclass(frozen=True)
class ClassifyRequest:
    images: tuple[Picture, ...]
    fields: ClassifyFields


async def read_classify(request: Request, most_images: int, plural: bool = False) -> ClassifyRequest:
    """The pictures and the checked fields of a request of any of the three forms; `plural` for several pictures.

    Raises:
        BadRequest, UnsupportedMediaType, InvalidFields.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    name, url_name = ("images", "image_urls") if plural else ("image", "image_url")
    urls: list[PictureUrl] = []
    if media_type == "multipart/form-data":
        images, urls, raw = await _read_multipart(request, name, url_name, most_images)
    elif media_type == "application/json":
        body = await request.body()  # megabytes of base64
        images, urls, raw = await asyncio.to_thread(_from_json, body, name, url_name, most_images)
    elif (media_type.startswith("image/") or media_type == "application/octet-stream") and not plural:
        images, raw = [await request.body()], _from_pairs(request.query_params.multi_items())
    else:
        raise UnsupportedMediaType(f"{media_type or 'no content type'} is not accepted; send {ACCEPTED}")
    if images and urls:
        raise InvalidFields(FieldProblem(url_name, f"is given besides {name}; one of them is wanted"))
    given, name = (urls, url_name) if urls else (images, name)
    if not given:
        raise InvalidFields(FieldProblem(name, "is missing"))
    _check_count(name, len(given), most_images)
    if len(raw) > MOST_FORM_FIELDS:
        raise InvalidFields(FieldProblem("body", f"holds {len(raw)} fields; at most {MOST_FORM_FIELDS}"))
    return ClassifyRequest(tuple(given), await _checked(raw))


async def _checked(raw: dict[str, Any]) -> ClassifyFields:
    """A list of classes may be long, and is looked through in a thread."""
    try:
        if "classes" in raw:
            return await asyncio.to_thread(ClassifyFields.model_validate, raw)
        return ClassifyFields.model_validate(raw)
    except ValidationError as error:
        raise too_many_found(error) or invalid_fields(error.errors()) from None


async def _read_multipart(
    request: Request, name: str, url_name: str, most_images: int
) -> tuple[list[bytes], list[PictureUrl], dict[str, Any]]:
    _check_charset(request.headers.get("content-type", ""))
    # One file and field more than allowed are let through, so that the error can name the right limit.
    parser = _MemoryParser(
        request.headers,
        request.stream(),
        max_files=most_images + 1,
        max_fields=MOST_FORM_FIELDS + MOST_REPEATED,
        max_part_size=2**20,
    )
    try:
        form = await parser.parse()
        images, urls, pairs = [], [], []
        for key, value in form.multi_items():
            if isinstance(value, UploadFile):
                if key != name:
                    raise InvalidFields(FieldProblem(key, "is not a known file", (name,)))
                images.append(await value.read())
            elif key == name:
                raise InvalidFields(FieldProblem(name, "must be a file, with a filename in its part"))
            elif key == url_name:
                urls.append(value)
            else:
                pairs.append((key, value))
        return images, _picture_urls(url_name, urls), _from_pairs(pairs)
    except (MultiPartException, KeyError, ValueError) as error:
        raise BadRequest(f"the multipart body cannot be parsed: {error}") from None
    finally:
        parser.close_files()


def _check_count(name: str, images: int, most_images: int) -> None:
    if images > most_images:
        raise InvalidFields(FieldProblem(name, f"holds {images} pictures; at most {most_images}"))


def _check_charset(content_type: str) -> None:
    """Python has decoders (punycode) that take the square of the text's length, and any may be named."""
    charset = parse_options_header(content_type)[1].get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in CHARSETS:
        raise BadRequest(f"the charset {charset[:40]!r} is not accepted; send UTF-8")


def _from_json(
    body: bytes, name: str, url_name: str, most_images: int
) -> tuple[list[bytes], list[PictureUrl], dict[str, Any]]:
    document = parse(body, MOST_VALUES, MOST_VALUES)
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    images = _listed(name, document.pop(name, None), "base64 strings")
    urls = _listed(url_name, document.pop(url_name, None), "addresses")
    _check_count(name, len(images), most_images)
    _check_count(url_name, len(urls), most_images)
    decoded = [from_base64(field, value) for field, value in _fields(name, images)]
    return decoded, _picture_urls(url_name, urls), document


def _listed(name: str, value: Any, what: str) -> list[Any]:
    """The values of a field; those of a plural name travel as a list."""
    if value is None or not name.endswith("s"):
        return [] if value is None else [value]
    if not isinstance(value, list):
        raise InvalidFields(FieldProblem(name, f"must be a list of {what}"))
    return value


def _fields(name: str, values: list[Any]) -> list[tuple[str, Any]]:
    """Each value with its place's name, as errors give it."""
    return [(f"{name}[{place}]" if name.endswith("s") else name, value) for place, value in enumerate(values)]


def _picture_urls(name: str, values: list[Any]) -> list[PictureUrl]:
    for field, value in _fields(name, values):
        if not isinstance(value, str):
            raise InvalidFields(FieldProblem(field, "must be a string, the address of a picture"))
    return [PictureUrl(field, value) for field, value in _fields(name, values)]


def from_base64(field: str, value: Any) -> bytes:
    """Plain or URL-safe base64, or a data URI of it. Raises InvalidFields, naming `field`."""
    if not isinstance(value, str):
        raise InvalidFields(FieldProblem(field, "must be a string of base64 or a data URI"))
    text = value
    if value[:5].lower() == "data:":
        head, comma, text = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise InvalidFields(FieldProblem(field, "is a data URI without ;base64,"))
    try:
        compact = "".join(text.split()).replace("-", "+").replace("_", "/")
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidFields(FieldProblem(field, "is not base64")) from None


def _from_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Names may be repeated where the field is a list; elsewhere that is an error."""
    raw: dict[str, Any] = {}
    for key, value in pairs:
        if key in REPEATED:
            raw.setdefault(key, FormTexts()).append(value)
        elif key in raw:
            raise InvalidFields(FieldProblem(key, "is given more than once"))
        else:
            raw[key] = value
    return raw
