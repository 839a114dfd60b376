"""The chosen models' weights, and where they would come from."""

from collections.abc import Iterator
from pathlib import Path

from service.cli.checks.findings import Check
from service.errors import ServiceError, WeightsMissing
from service.models.catalog import HubSource, Model, WheelSource
from service.settings import Settings


def weights(settings: Settings) -> Iterator[Check]:
    """Every file is hashed in full."""
    for row in _chosen(settings):
        yield _weights_of(row, settings)


def sources(settings: Settings) -> Iterator[Check]:
    """Whether what is missing could be had."""
    from service.models.weights.reach import hub_fault, registry_fault

    rows = _chosen(settings)
    missing = [row for row in rows if not _is_there(row, settings)]
    if settings.offline:
        yield Check("download", "ok" if not missing else "bad", "none: L2R2_OFFLINE is on", _how_offline(missing))
        return
    packages = [row.source.files[0].package for row in missing or rows if isinstance(row.source, WheelSource)]
    if packages:
        yield _reached("package registry", registry_fault(packages[0]), needed=bool(missing))
    if any(isinstance(row.source, HubSource) for row in missing or rows):
        yield _reached("model hub", hub_fault(settings.hub_endpoint), needed=bool(missing))


def _chosen(settings: Settings) -> list[Model]:
    from service.engine import chosen_models

    rows = [row for row in chosen_models(settings) if row is not None and row.source is not None]
    return list({row.source: row for row in rows}.values())


def _weights_of(row: Model, settings: Settings) -> Check:
    from service.engine import weights_store

    name = f"weights of {Path(row.name).name}"
    pull = f"`l2r2 models pull {row.name}`, or the start, downloads them"
    try:
        files = weights_store(settings).verify(row)
    except WeightsMissing as error:
        return Check(name, "note", error.detail, pull)
    except ServiceError as error:
        return Check(name, "bad", error.detail)
    wrong = [file.expected.name for file in files if file.state == "mismatch"]
    absent = [file.expected.name for file in files if file.state == "missing"]
    if wrong:
        return Check(name, "bad", f"not the recorded files: {', '.join(wrong)}", f"delete them; then {pull}")
    if absent:
        return Check(name, "note", f"missing: {', '.join(absent)}", pull)
    return Check(name, "ok", f"{len(files)} files, SHA-256 as recorded" if files else "a folder of your own")


def _is_there(row: Model, settings: Settings) -> bool:
    from service.engine import weights_store

    try:
        return weights_store(settings).status(row).state == "present"
    except ServiceError:
        return False


def _reached(what: str, fault: str | None, *, needed: bool) -> Check:
    if fault is None:
        return Check(what, "ok", "answers")
    advice = "a proxy, mirror or certificate may be needed (pip's own settings; L2R2_HUB_ENDPOINT for a hub)"
    return Check(what, "bad" if needed else "note", fault, advice if needed else "not needed: all weights are here")


def _how_offline(missing: list[Model]) -> str | None:
    names = " ".join(row.name for row in missing)
    return f"fetch them with a network: L2R2_OFFLINE=false l2r2 models pull {names}" if missing else None
