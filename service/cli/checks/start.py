"""What a start needs besides models: a database, keys where they are wanted, an address to listen on."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from service.answer_headers import VERSION_HEADER
from service.cli.checks.findings import Check
from service.errors import SettingsError
from service.settings import Settings

LEAST_FREE_BYTES = 5e8
ANSWER_S = 3.0
SENDS_TRACES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def database(settings: Settings) -> Iterator[Check]:
    """Read, and looked through for damage; nothing is changed."""
    from service.datasets.database import Database
    from service.datasets.revisions import tables_of
    from service.datasets.sqlite import check_intact

    with closing(Database(settings.database_url, settings.data_dir, busy_timeout_s=ANSWER_S)) as found:
        if found.path is not None and not found.path.exists():
            yield _future(found.path)
            return
        try:
            found.check_there()
        except SettingsError as error:
            with found.reading() as connection:
                old = tables_of(connection) == "older"
            advice = None if old else "start the release that wrote it, or choose another L2R2_DATA_DIR"
            yield Check("database", "note" if old else "bad", error.detail, advice)
            return
        if found.path is not None:
            with found.reading() as connection:
                check_intact(connection)
        yield Check("database", "ok", f"{found}, intact")
        if found.path is not None:
            yield from _room(found.path)


def keys(settings: Settings) -> Iterator[Check]:
    """Raises SettingsError for a key file that cannot be read, or where strangers would be let in."""
    from datetime import UTC, datetime

    from service.access.binding import check_binding
    from service.access.keyfile import read_keys

    check_binding(settings.host, has_keys=settings.keys_file is not None, allow_anonymous=settings.allow_anonymous)
    if settings.keys_file is None:
        yield Check("keys", "ok", f"none; whoever reaches {settings.host} may ask")
        return
    listed = read_keys(settings.keys_file)
    expired = [key.name for key in listed if key.has_expired(datetime.now(UTC))]
    found = f"{len(listed)} in {settings.keys_file}"
    if len(listed) == len(expired):
        yield Check("keys", "note", f"{found}, none of them valid: nobody may ask", "`l2r2 keys new NAME` makes one")
    else:
        yield Check("keys", "ok", found + (f", expired: {', '.join(expired)}" if expired else ""))


def traces(settings: Settings) -> Iterator[Check]:
    """Whether what sends them is installed, where they are wanted."""
    if settings.traces == "on":
        try:
            there = all(find_spec(name) for name in SENDS_TRACES)
        except ModuleNotFoundError:  # not even the package that it is in
            there = False
        advice = None if there else "pip install 'l2r2[otel]', or L2R2_TRACES=off"
        yield Check("traces", "ok" if there else "bad", "on" if there else "on, and OpenTelemetry is missing", advice)


def port(settings: Settings) -> Iterator[Check]:
    """Whether a start could listen there. It could not where a service runs already, however well that one is."""
    address = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
    except OSError as error:
        service = _service_at(settings)
        if service is not None:
            advice = "ask that one, or stop it; one beside it needs another port: --port, or L2R2_PORT"
            yield Check("port", "bad", f"{service} answers at {address} already", advice)
        else:
            advice = "free it, or set L2R2_PORT (or --port); 0 takes a free one"
            yield Check("port", "bad", f"{address}: {error.strerror or error}", advice)
        return
    yield Check("port", "ok", f"{address} is free")


def _service_at(settings: Settings) -> str | None:
    """Which l2r2 answers there; None if anything else does, or nothing."""
    import httpx

    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 (asked)
    url = httpx.URL(scheme="http", host=reached, port=settings.port)
    try:
        with httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False) as client:
            spoken = client.get("/livez").headers.get(VERSION_HEADER)
            if spoken is None:
                return None
            release = client.get("/healthz").json().get("version")  # no key: who listens there is not known
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return None
    return f"l2r2 {release}" if release else f"an l2r2 that tells its version to keys alone (interface {spoken})"


def _future(path: Path) -> Check:
    folder = path.parent.absolute()
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("database", "bad", f"{path} cannot be made: {folder} may not be written to", "set L2R2_DATA_DIR")
    return Check("database", "ok", f"none yet; the first start makes {path}")


def _room(path: Path) -> Iterator[Check]:
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        yield Check("data folder", "bad", f"{path} may not be written to", "the service's user needs the right to")
        return
    free = shutil.disk_usage(path.parent).free
    advice = "registrations are refused (507) when it is full" if free < LEAST_FREE_BYTES else None
    yield Check("data folder", "note" if advice else "ok", f"{free / 1e9:.1f} GB free on its disk", advice)
