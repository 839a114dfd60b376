"""Recognition in this process, without a server: what `classify`, `demo` and `evaluate` share."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from service.datasets.records import Dataset
    from service.datasets.spec import DatasetSpec
    from service.models.weights import BarProgress
    from service.recognition.answers import Recognition
    from service.stages.options import Options

errors = Console(stderr=True)
COMPARED_WITH = {"dataset", "dataset_version", "classes", "templates"}


@contextmanager
def download_bars() -> "Iterator[BarProgress]":
    """Progress bars on standard error for as long as downloads run."""
    from service.models.weights import BarProgress

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        yield BarProgress(bars)


def read_options(pairs: Sequence[str], named: Mapping[str, Any]) -> "Options":
    """Options from `name=value` pairs, fields of POST /classify, and from those with options of their own.

    Raises:
        InvalidFields: a name or value that the service would refuse too.
    """
    from pydantic import ValidationError

    from service.api.fields import ClassifyFields
    from service.api.problems import invalid_fields
    from service.errors import FieldProblem, InvalidFields

    fields = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or name in COMPARED_WITH:
            known = tuple(set(ClassifyFields.model_fields) - COMPARED_WITH)
            raise InvalidFields(FieldProblem("option", f"{pair!r} is not name=value", tuple(sorted(known))))
        fields[name] = value
    try:
        return ClassifyFields.model_validate({"dataset": "unsaved", **fields}).options(max_top_k=100_000)
    except ValidationError as error:
        raise invalid_fields(error.errors()) from None


def read_spec(
    classes: str | None, file: Path | None, templates: Sequence[str] | None, look_for: Sequence[str] | None
) -> "DatasetSpec":
    """A class list from names, or from a JSON document as POST /datasets takes it.

    Raises:
        BadRequest, InvalidFields.
    """
    from pydantic import ValidationError

    from service.api.dataset_content import DatasetPut
    from service.api.exemplars import Exemplars
    from service.api.problems import invalid_fields
    from service.errors import BadRequest, FieldProblem, InvalidFields
    from service.images import decode

    if (classes is None) == (file is None):
        raise InvalidFields(FieldProblem("classes", "give either --classes or --spec"))
    try:
        document = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadRequest(f"{file} cannot be read: {error}") from None
    if isinstance(document, list):
        document = {"classes": document}
    if not isinstance(document, dict):
        raise BadRequest(f"{file} holds no JSON object and no list of names")
    if classes is not None:
        document["classes"] = classes.split(",")
    document |= {"templates": list(templates)} if templates else {}
    document |= {"localizer_prompts": list(look_for)} if look_for else {}
    try:
        content = DatasetPut.model_validate(document)
    except ValidationError as error:
        raise invalid_fields(error.errors()) from None
    if any(content.images):
        raise InvalidFields(FieldProblem("spec", "example pictures need a registered dataset"))
    return content.spec(Exemplars.read(content.images, decode))


class LocalRecognizer:
    """Models in this process, answering about unsaved class lists."""

    def __init__(self, profile: str | None) -> None:
        from service.engine import load_engine
        from service.settings import load_settings
        from service.telemetry import configure_logging

        configure_logging("warning", "text")
        settings = load_settings(profile=profile)
        with download_bars() as progress:
            self.recognizer = load_engine(settings, progress).recognizer

    def dataset(self, spec: "DatasetSpec") -> "Dataset":
        """Raises InvalidFields for a prompt that the localizer cannot take."""
        from service.datasets.prototypes import unsaved_dataset
        from service.errors import FieldProblem, InvalidFields

        try:
            self.recognizer.localizer.check_prompts(spec.prompt_set)
        except ValueError as error:
            raise InvalidFields(FieldProblem("look_for", str(error))) from None
        return unsaved_dataset(spec, self.recognizer.encoder.embed_texts)

    def recognize(self, images: Sequence[bytes], spec: "DatasetSpec", options: "Options") -> "list[Recognition]":
        dataset = self.dataset(spec)

        async def all_of_them() -> "list[Recognition]":
            return [await self.recognizer.recognize(image, dataset, options) for image in images]

        return asyncio.run(all_of_them())

    def document(self, answer: "Recognition", spec: "DatasetSpec") -> dict[str, Any]:
        """The answer as the service would send it."""
        from service.api.wire import recognition_out
        from service.datasets.fingerprints import version_of

        models = (self.recognizer.localizer, self.recognizer.encoder)
        return recognition_out(answer, None, version_of(spec), models, uuid.uuid4().hex)

    def close(self) -> None:
        self.recognizer.close()
