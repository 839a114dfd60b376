"""Labelled pictures through the models in this process: what `evaluate` and `calibrate` share."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.local import load_recognizer, read_options, read_spec
from service.cli.saying import errors

if TYPE_CHECKING:
    from service.datasets.records import Dataset
    from service.datasets.spec import DatasetSpec
    from service.evaluation.labelled import Labelled
    from service.evaluation.looks import Looks
    from service.recognizer import Recognizer
    from service.stages.options import Options


@dataclass(frozen=True)
class Source:
    """Where pictures and classes come from: at most one of `dataset`, `spec` and `benchmark`, else the labels are the
    classes. Of the data only `parts` (all, if none is named); the pictures of `none_parts` count as ones of no class.
    """

    data: Path
    dataset: str | None = None
    spec: Path | None = None
    benchmark: str | None = None
    split: str | None = None
    parts: tuple[str, ...] = ()
    none_parts: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, eq=False)
class Material:
    """Pictures with what was seen of each, and those that could not be read."""

    pictures: "tuple[Labelled, ...]"
    looks: "tuple[Looks, ...]"
    unreadable: tuple[str, ...]
    dataset: "Dataset"
    logit_scale: float
    usual_branches: tuple[str, ...]
    about: dict[str, str]


def gather(
    source: Source,
    profile: str | None,
    branches: Sequence[str] | None,
    pairs: Sequence[str],
    cache: Path | None,
) -> Material:
    """Look at every picture once in the named branches (None: those that answer), going on where a run was stopped.

    Raises:
        ServiceError: nothing to read, or a name that is not known.
    """
    from service.errors import FileUnreadable
    from service.evaluation.methods import check_labels

    pictures, spec = _read(source)
    options = _options(pairs)
    with _opened(profile, source.dataset, spec) as (recognizer, dataset), TemporaryDirectory() as scratch:
        check_labels(pictures, dataset.labels)  # before hours of looking
        usual = dataset.spec.branches or dataset.spec.calibration.branches or recognizer.usual_branches
        asked = replace(options, branches=tuple(branches or usual))
        found = _look(recognizer, dataset, pictures, asked, cache or Path(scratch) / "looks.sqlite")
        about = _about(source, recognizer, dataset)
        scale = recognizer.encoder.logit_scale
    seen = [(picture, look) for picture, look in zip(pictures, found, strict=True) if not isinstance(look, str)]
    unreadable = tuple(look for look in found if isinstance(look, str))
    if not seen:
        raise FileUnreadable(f"no picture can be read, such as {unreadable[0]}")
    if unreadable:
        about["unreadable pictures"] = str(len(unreadable))
    return Material(
        tuple(picture for picture, _ in seen), tuple(look for _, look in seen), unreadable, dataset, scale, usual, about
    )


def _options(pairs: Sequence[str]) -> "Options":
    """Raises InvalidFields for an option that does not change how pictures are looked at."""
    from service.errors import FieldProblem, InvalidFields
    from service.evaluation.looks import LOOKING

    others = [pair for pair in pairs if pair.partition("=")[0] not in LOOKING]
    if others:
        raise InvalidFields(FieldProblem("option", f"{others[0]!r} changes nothing here", LOOKING))
    return read_options(pairs, {})


def _read(source: Source) -> "tuple[list[Labelled], DatasetSpec | None]":
    from service.datasets.spec import ClassEntry, DatasetSpec
    from service.errors import FieldProblem, InvalidFields
    from service.evaluation.benchmarks.registry import read_benchmark
    from service.evaluation.labelled import read_labelled

    if sum(given is not None for given in (source.dataset, source.spec, source.benchmark)) > 1:
        raise InvalidFields(FieldProblem("dataset", "give only one of --dataset, --spec and --benchmark"))
    spec = None if source.spec is None else read_spec(None, source.spec, None, None)
    if source.benchmark is not None:
        found = read_benchmark(source.benchmark, source.data, source.split)
        pictures, spec = list(found.pictures), found.spec
    else:
        pictures = read_labelled(source.data)
    if spec is None and source.dataset is None:
        labels = sorted({picture.label for picture in pictures if picture.label})
        spec = DatasetSpec(tuple(ClassEntry(label) for label in labels))
    pictures = _of_parts(pictures, source)
    if source.limit is not None and source.limit < len(pictures):
        pictures = [pictures[place * len(pictures) // source.limit] for place in range(source.limit)]
    return pictures, spec


def _of_parts(pictures: "list[Labelled]", source: Source) -> "list[Labelled]":
    """Raises InvalidFields for a part that there is none of, listing those that there are."""
    from service.errors import FieldProblem, InvalidFields

    there = tuple(dict.fromkeys(picture.part for picture in pictures))
    unknown = [name for name in (*source.parts, *source.none_parts) if name not in there]
    if unknown:
        raise InvalidFields(
            FieldProblem("parts", f"there is no part {unknown[0]!r}; there are {', '.join(there)}", there)
        )
    wanted = {*source.parts, *source.none_parts} if source.parts else set(there)
    return [
        replace(picture, label="", accepted=frozenset()) if picture.part in source.none_parts else picture
        for picture in pictures
        if picture.part in wanted
    ]


@contextmanager
def _opened(
    profile: str | None, name: str | None, spec: "DatasetSpec | None"
) -> "Iterator[tuple[Recognizer, Dataset]]":
    """The models and the dataset: a registered one with the service's own database, else one of this process alone."""
    if spec is not None:
        with load_recognizer(profile) as local:
            yield local.core, local.dataset(spec)
        return
    from service.parts import load_parts
    from service.settings import load_settings
    from service.telemetry import configure_logging

    configure_logging("warning", "text")
    parts = load_parts(load_settings(profile=profile))
    try:
        yield parts.recognizer, parts.registry.lookup(name or "")
    finally:
        parts.close()


def _look(
    recognizer: "Recognizer", dataset: "Dataset", pictures: "Sequence[Labelled]", options: "Options", cache: Path
) -> "list[Looks | str]":
    from service.evaluation.collect import collect
    from service.evaluation.looks import LooksFile, context_of

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        LooksFile(cache, context_of(recognizer, dataset.spec, options)) as kept,
        Progress(*columns, console=errors, transient=True) as bars,
    ):
        task = bars.add_task("pictures", total=len(pictures))
        return asyncio.run(collect(recognizer, dataset, pictures, options, kept, lambda: bars.advance(task)))


def _about(source: Source, recognizer: "Recognizer", dataset: "Dataset") -> dict[str, str]:
    classes = source.dataset or source.benchmark or (source.spec.name if source.spec else "labels of the pictures")
    return {
        "data": source.data.name,
        "classes": f"{classes} ({len(dataset.labels)})",
        "dataset version": dataset.version[:12],
        "localizer": recognizer.localizer.name,
        "encoder": recognizer.encoder.name,
        "templates": " | ".join(dataset.spec.templates),
        "localizer prompts": " | ".join(dataset.spec.localizer_prompts) or "none",
    }
