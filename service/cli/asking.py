"""Who answers `l2r2 classify`: the models in this process, or a service."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.cli.local import load_recognizer, read_document, read_options, read_spec, typed_fields
from service.cli.remote import Service
from service.client import ClassifyOptions, Outcome, Retries
from service.errors import FieldProblem, InvalidFields

Many = Callable[[Iterable[str], bool], Iterator[Outcome[str]]]
HOW_TO_REGISTER = "register the list with `l2r2 datasets add`, and name it by --dataset"


@dataclass(frozen=True)
class Classes:
    """Where they come from: a registered dataset, names, or a file."""

    dataset: str | None
    names: str | None
    spec: Path | None
    templates: Sequence[str] | None
    look_for: Sequence[str] | None


@dataclass(frozen=True)
class Wishes:
    """Fields of POST /classify: those with options of their own, and `name=value` pairs."""

    named: dict[str, Any]
    pairs: Sequence[str]


def question_of(classes: Classes, wishes: Wishes, profile: str | None) -> str:
    """A digest of what is asked of each picture: other answers may come to another one."""
    spec = classes.spec.read_bytes().decode("utf-8", "replace") if classes.spec is not None else None
    asked = [classes.dataset, classes.names, spec, classes.templates, classes.look_for, wishes.named, wishes.pairs]
    return hashlib.sha256(json.dumps([*asked, profile], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Answering:
    """`ask`: answers about pictures, in their order or (false) as they come. `labels`: all classes."""

    ask: Many
    labels: Sequence[str]


@contextmanager
def local(classes: Classes, wishes: Wishes, profile: str | None, concurrency: int) -> Iterator[Answering]:
    """Raises InvalidFields, FileUnreadable, SettingsError, WeightsError."""
    if classes.dataset is not None:
        raise InvalidFields(FieldProblem("dataset", "is kept by a service; name it by --server"))
    options = read_options(wishes.pairs, wishes.named)
    spec = read_spec(classes.names, classes.spec, classes.templates, classes.look_for)
    with load_recognizer(profile) as recognizer:

        def ask(pictures: Iterable[str], ordered: bool) -> Iterator[Outcome[str]]:
            return recognizer.answers(pictures, spec, options, concurrency, ordered)

        yield Answering(ask, spec.labels)


@contextmanager
def remote(classes: Classes, wishes: Wishes, service: Service, concurrency: int) -> Iterator[Answering]:
    """Raises InvalidFields, FileUnreadable, and what the service refuses."""
    fields = typed_fields(wishes.pairs, wishes.named)
    with service.opened(Retries()) as client:
        if classes.dataset is not None:
            if (classes.names, classes.spec, classes.templates, classes.look_for) != (None, None, None, None):
                detail = "has classes of its own; leave out --classes, --spec, --template and --look-for"
                raise InvalidFields(FieldProblem("dataset", detail))
            found = client.datasets.get(classes.dataset)
            options, labels = ClassifyOptions(dataset=classes.dataset), found.labels
        else:
            options = sendable(read_document(classes.names, classes.spec, classes.templates, classes.look_for))
            labels = tuple(_name(entry) for entry in options["classes"] or ())
        asked: ClassifyOptions = {**options, **fields}  # type: ignore[typeddict-item]

        def ask(pictures: Iterable[str], ordered: bool) -> Iterator[Outcome[str]]:
            return client.classify_many(pictures, concurrency=concurrency, ordered=ordered, **asked)

        yield Answering(ask, labels)


def sendable(document: dict[str, Any]) -> ClassifyOptions:
    """A dataset's document as fields of a request. Raises InvalidFields for what only registered ones may have."""
    content = {name: value for name, value in document.items() if value is not None and name != "name"}
    prompts = content.pop("localizer_prompts", None)
    if prompts and isinstance(prompts, list):
        content["localizer_prompt"] = prompts[0]
    strange = [name for name in content if name not in ClassifyOptions.__annotations__]
    if strange or (isinstance(prompts, list) and len(prompts) > 1):
        which = strange[0] if strange else "localizer_prompts"
        raise InvalidFields(FieldProblem(which, f"cannot be sent with pictures: {HOW_TO_REGISTER}"))
    if not isinstance(content.get("classes"), list):
        raise InvalidFields(FieldProblem("classes", "must be a list of names or of objects"))
    options: ClassifyOptions = content  # type: ignore[assignment]
    return options


def _name(entry: Any) -> str:
    return str(entry.get("name")) if isinstance(entry, dict) else str(entry)
