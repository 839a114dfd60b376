"""`l2r2 keys`: who may use the service. What is changed here counts within a second; nothing is restarted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.errors import FieldProblem, InvalidFields, SettingsError

app = typer.Typer(no_args_is_help=True)
KeyName = Annotated[str, typer.Argument(help="Name of the key, as it stands in the logs.")]
File = Annotated[Path | None, typer.Option(dir_okay=False, help="The key file; else L2R2_KEYS_FILE.")]


@app.command("new")
def new_key(
    name: KeyName,
    scopes: Annotated[
        str, typer.Option(help="classify, manage (class lists), observe (metrics), or several with commas.")
    ] = "classify",
    per_minute: Annotated[int | None, typer.Option(help="Most requests a minute.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="Most requests at a time.")] = None,
    expires: Annotated[str | None, typer.Option(help="RFC 3339 time, or days from now, such as 90d.")] = None,
    file: File = None,
) -> None:
    """Make a key, print it once, and keep its SHA-256 in the key file."""
    from service.access.keyfile import add_key
    from service.access.keys import new_key, new_secret

    secret, path = new_secret(), _file(file)
    asked = tuple(part.strip() for part in scopes.split(","))
    until = _time(expires) if expires is not None else None
    add_key(path, new_key(name, secret, scopes=asked, per_minute=per_minute, concurrent=concurrent, expires=until))
    Console(stderr=True).print(f"{name} is in {path}; this is the only time that the key is shown:", highlight=False)
    typer.echo(secret)


@app.command("list")
def list_keys(file: File = None) -> None:
    """All keys, without their secrets."""
    from service.access.keyfile import read_keys

    now, table = (
        datetime.now(UTC),
        Table("key", "scopes", "per minute", "at a time", "expires", box=None, pad_edge=False),
    )
    for key in read_keys(_file(file)):
        until = "never" if key.expires is None else key.expires.isoformat(timespec="seconds")
        limits = ("" if limit is None else str(limit) for limit in (key.per_minute, key.concurrent))
        table.add_row(key.name, ", ".join(key.scopes), *limits, f"{until} (expired)" if key.has_expired(now) else until)
    Console().print(table)


@app.command("revoke")
def revoke_key(name: KeyName, file: File = None) -> None:
    """Take a key out of the file: it opens nothing any more."""
    from service.access.keyfile import remove_key

    remove_key(_file(file), name)
    typer.echo(f"{name}: revoked")


def _file(given: Path | None) -> Path:
    """Raises SettingsError where none is named."""
    from service.settings import load_settings

    path = given or load_settings().keys_file
    if path is None:
        raise SettingsError("which key file? Give --file, or set L2R2_KEYS_FILE")
    return path


def _time(text: str) -> datetime:
    """Raises InvalidFields."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit == "d" and number.isdecimal():
            return datetime.now(UTC).replace(microsecond=0) + timedelta(days=int(number))
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None:
        detail = f"{text!r} is neither a time such as 2027-01-31T12:00:00Z nor days such as 90d"
        raise InvalidFields(FieldProblem("expires", detail))
    return found
