"""Every request that a client makes, and how its answer is read; for the clients that wait and those that await."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from service.client.dataset_results import CalibrationReport, Dataset, DatasetSummary, DatasetVersion, Models
from service.client.options import (
    CalibrationOptions,
    ClassifyOptions,
    DatasetOptions,
    form_fields,
    given,
)
from service.client.pictures import Picture, address_of, base64_of, bytes_of
from service.client.problems import unexpected
from service.client.results import Answer

Read = TypeVar("Read")
CALIBRATION_S = 3600.0
Labelled = tuple[str | None, Picture]


@dataclass(frozen=True)
class Call(Generic[Read]):
    """`repeatable`: made twice it does what it does once, so it may be made again when the connection broke off.
    `promises`: the service judges by the time that is left whether it can answer in it."""

    method: str
    path: str
    read: Callable[[Any], Read]
    content: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    promises: bool = False
    patience_s: float | None = None

    def result(self, response: httpx.Response) -> Read:
        """Raises ProblemError where it is not what it should be."""
        try:
            return self.read(response.json() if response.content else None)
        except ValidationError as error:
            raise unexpected(response, f"{error.error_count()} faults, such as {error.errors()[0]['msg']}") from None
        except (ValueError, KeyError, TypeError):
            raise unexpected(response, "no JSON of the right shape") from None


def classify(picture: Picture, options: ClassifyOptions) -> Call[Answer]:
    """Raises OSError, TypeError."""
    fields = form_fields(given(options, ClassifyOptions.__annotations__))
    address = address_of(picture)
    if address is not None:
        texts = {**fields, "image_url": address}
        form: dict[str, Any] = {"files": {name: (None, text) for name, text in texts.items()}}
    else:
        form = {"files": {"image": ("image", bytes_of(picture))}, "data": fields}
    return Call("POST", "/classify", Answer.model_validate, form, promises=True)


def models() -> Call[Models]:
    return Call("GET", "/models", Models.model_validate)


def datasets() -> Call[tuple[DatasetSummary, ...]]:
    many = TypeAdapter(tuple[DatasetSummary, ...])
    return Call("GET", "/datasets", lambda document: many.validate_python(document["datasets"]))


def dataset(name: str) -> Call[Dataset]:
    return Call("GET", dataset_path(name), Dataset.model_validate)


def content(classes: Iterable[Any], options: DatasetOptions) -> dict[str, Any]:
    """A dataset's document. Raises TypeError."""
    if isinstance(classes, str):
        raise TypeError(f"classes is a list, not the text {classes!r}")
    return {**given(options, DatasetOptions.__annotations__), "classes": list(classes)}


def register(name: str, document: Mapping[str, Any]) -> Call[Dataset]:
    """The same content again is the same version, so that it may be sent again."""
    return Call("POST", "/datasets", Dataset.model_validate, {"json": {**document, "name": name}})


def replace(name: str, document: Mapping[str, Any]) -> Call[Dataset]:
    return Call("PUT", dataset_path(name), Dataset.model_validate, {"json": document})


def delete(name: str) -> Call[None]:
    """Not repeatable: had the first one reached the service, the second one would find nothing."""
    return Call("DELETE", dataset_path(name), lambda _: None, repeatable=False)


def versions(name: str) -> Call[tuple[DatasetVersion, ...]]:
    many = TypeAdapter(tuple[DatasetVersion, ...])
    return Call("GET", f"{dataset_path(name)}/versions", lambda document: many.validate_python(document["versions"]))


def use(name: str, version: str) -> Call[DatasetVersion]:
    path = f"{dataset_path(name)}/current"
    return Call("PUT", path, DatasetVersion.model_validate, {"json": {"version": version}})


def calibrate(
    name: str, items: Sequence[Labelled | Mapping[str, Any]], options: CalibrationOptions
) -> Call[CalibrationReport]:
    """Pairs of label and picture, or the items of the API. Not repeatable: it may work for minutes.

    Raises OSError, TypeError.
    """
    rows = [dict(item) if isinstance(item, Mapping) else _item(*item) for item in items]
    body = {**given(options, CalibrationOptions.__annotations__), "items": rows}
    path = f"{dataset_path(name)}/calibration"
    read = CalibrationReport.model_validate
    return Call("POST", path, read, {"json": body}, repeatable=False, patience_s=CALIBRATION_S)


def dataset_path(name: str) -> str:
    """One part of the address, whatever it holds."""
    return f"/datasets/{quote(name, safe='')}"


def _item(label: str | None, picture: Picture) -> dict[str, Any]:
    return {"label": label, "image": base64_of(picture)}
