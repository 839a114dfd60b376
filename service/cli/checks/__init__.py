"""What `l2r2 doctor` looks at: the machine, and what a start of the service needs."""

from collections.abc import Callable, Iterator
from functools import partial

from service.cli.checks.findings import Check, State, checked
from service.cli.checks.machine import gpu, memory, packages, processors
from service.cli.checks.start import database, keys, port, traces
from service.cli.checks.weights import sources, weights
from service.errors import ServiceError
from service.settings import Settings, load_settings

OF_THE_SETTINGS: tuple[Callable[[Settings], Iterator[Check]], ...] = (
    processors,
    memory,
    gpu,
    weights,
    sources,
    database,
    keys,
    traces,
    port,
)
__all__ = ["Check", "State", "all_checks"]


def all_checks(profile: str | None = None) -> Iterator[Check]:
    """One after the other, as they are found. What needs settings is left out where those are wrong."""
    yield from checked("packages", packages)
    try:
        settings = load_settings(profile=profile)
    except ServiceError as error:
        yield Check("settings", "bad", error.detail, "change it, or take it out of the environment")
        return
    yield Check("settings", "ok", f"profile {settings.profile}")
    for look in OF_THE_SETTINGS:
        yield from checked(look.__name__, partial(look, settings))
