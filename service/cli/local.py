"""Recognition in this process, without a server: what `classify`, `demo` and `evaluate` share."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from service.cli.saying import errors
from service.client import Recognizer

if TYPE_CHECKING:
    from service.datasets.spec import DatasetSpec
    from service.models.weights import BarProgress
    from service.stages.options import Options

COMPARED_WITH = {"dataset", "dataset_version", "classes", "templates"}


@contextmanager
def download_bars() -> "Iterator[BarProgress]":
    """Progress bars on standard error for as long as downloads run."""
    from service.models.weights import BarProgress

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        yield BarProgress(bars)


def load_recognizer(profile: str | None) -> Recognizer:
    """Raises SettingsError, WeightsError."""
    from service.telemetry import configure_logging

    configure_logging("warning", "text" if errors.is_terminal else "json")
    with download_bars() as progress:
        return Recognizer.load(profile, progress=progress)


def read_pairs(pairs: Sequence[str], named: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of POST /classify from `name=value` pairs, and from those with options of their own, as texts.

    Raises:
        InvalidFields: what is no pair.
    """
    from service.api.fields import ClassifyFields
    from service.errors import FieldProblem, InvalidFields

    fields = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or name in COMPARED_WITH:
            known = tuple(set(ClassifyFields.model_fields) - COMPARED_WITH)
            raise InvalidFields(FieldProblem("option", f"{pair!r} is not name=value", tuple(sorted(known))))
        fields[name] = value
    return fields


def read_options(pairs: Sequence[str], named: Mapping[str, Any]) -> "Options":
    """As `read_pairs`, checked as the service would do it.

    Raises:
        InvalidFields: a name or value that the service would refuse too.
    """
    from service.client.recognizing import options_of

    return options_of(read_pairs(pairs, named))


def typed_fields(pairs: Sequence[str], named: Mapping[str, Any]) -> dict[str, Any]:
    """As `read_pairs`, checked and of their types. Raises InvalidFields."""
    from service.api.fields import ClassifyFields

    fields = read_pairs(pairs, named)
    read_options(pairs, named)
    checked = ClassifyFields.model_validate({"dataset": "unsaved", **fields})
    return {name: getattr(checked, name) for name in fields}


def read_document(
    classes: str | None, file: Path | None, templates: Sequence[str] | None, look_for: Sequence[str] | None
) -> dict[str, Any]:
    """A class list from names, or from a JSON document as POST /datasets takes it.

    Raises:
        FileUnreadable, InvalidFields.
    """
    from service.errors import FieldProblem, FileUnreadable, InvalidFields

    if (classes is None) == (file is None):
        raise InvalidFields(FieldProblem("classes", "give either --classes or --spec"))
    try:
        document = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    except (OSError, ValueError, RecursionError) as error:
        raise FileUnreadable(f"{file} cannot be read: {error}") from None
    if isinstance(document, list):
        document = {"classes": document}
    if not isinstance(document, dict):
        raise FileUnreadable(f"{file} holds no JSON object and no list of names")
    if classes is not None:
        document["classes"] = [name.strip() for name in classes.split(",")]
    document |= {"templates": list(templates)} if templates else {}
    document |= {"localizer_prompts": list(look_for)} if look_for else {}
    return document


def read_spec(
    classes: str | None, file: Path | None, templates: Sequence[str] | None, look_for: Sequence[str] | None
) -> "DatasetSpec":
    """As `read_document`, checked as the service would do it. Raises FileUnreadable, InvalidFields."""
    from service.client.recognizing import spec_of

    return spec_of(read_document(classes, file, templates, look_for))
