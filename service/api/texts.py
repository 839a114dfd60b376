"""Values of fields that may travel as text: lists, JSON, and what a form repeats."""

from typing import Any

from pydantic_core import PydanticCustomError

from service.api.json_pieces import NOT_JSON, parse
from service.errors import BadRequest
from service.recognition.prompts import PLACE

MOST_VALUES = 1000  # of metadata, as JSON in a field
MOST_PARTS = 10_000  # of a list in one field; what is allowed of each list is less


class FormTexts(list[str]):
    """What a form or query says of a field that may be repeated, where everything is text."""


def _unless_alone(value: Any) -> Any:
    """A form says the same with the only one of its texts as with a string."""
    return value[0] if isinstance(value, FormTexts) and len(value) == 1 else value


def comma_separated(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in _parts(value) if part.strip()]
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return comma_separated(value[0])
    return value


def _parts(value: str) -> list[str]:
    if value.count(",") >= MOST_PARTS:
        raise PydanticCustomError("too_many_parts", f"holds more than {MOST_PARTS} parts, separated by commas")
    return value.split(",")


def names_of(value: Any) -> Any:
    """A JSON array, or names separated by commas; of a form also JSON objects, a text each."""
    if isinstance(value, FormTexts) and any(map(_is_object, value)):
        return _with_objects(value)
    value = _unless_alone(value)
    return comma_separated(value) if isinstance(value, str) and not _is_array(value) else _array(value)


def _with_objects(texts: FormTexts) -> list[Any]:
    """What is allowed of one list is allowed of all objects together."""
    size = sum(text.count(mark) for text in filter(_is_object, texts) for mark in ",[{")
    if size > MOST_PARTS:
        raise PydanticCustomError("too_many_parts", f"objects hold more than {MOST_PARTS} parts")
    return [_read_json(text, "object") if _is_object(text) else text for text in texts]


def templates_of(value: Any) -> Any:
    """A JSON array, or one template, which may hold commas; those that follow each other have a place each."""
    value = _unless_alone(value)
    if not isinstance(value, str) or _is_array(value):
        return _array(value)
    parts = _parts(value)
    return [part.strip() for part in parts] if all(PLACE in part for part in parts) else [value]


def _is_array(text: str) -> bool:
    return text.lstrip().startswith("[")


def _is_object(text: str) -> bool:
    return text.lstrip().startswith("{")


def _array(value: Any) -> Any:
    return _read_json(value, "array") if isinstance(value, str) else value


def _read_json(text: str, kind: str) -> Any:
    try:
        return parse(text.encode(), MOST_PARTS, MOST_PARTS)
    except (BadRequest, ValueError) as error:
        said = f"begins with {text.lstrip()[0]} and is no JSON {kind}"
        if isinstance(error, BadRequest) and error.detail != NOT_JSON:
            said = error.detail.replace("the body", f"the {kind}")
        raise PydanticCustomError("json", "{said}", {"said": said}) from None


def json_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value.encode(), MOST_VALUES, MOST_VALUES)
    except (BadRequest, ValueError):
        return value  # fails the check for an object, with the field's name
