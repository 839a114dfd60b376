"""`l2r2 doctor`: whether this machine is ready for the service, and what to do where it is not."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli import completing

if TYPE_CHECKING:
    from service.cli.checks import Check, State

Profile = Annotated[str | None, typer.Option(help="Which models to look for.", autocompletion=completing.profiles)]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object with a list `checks`.")]
MARKS: "dict[State, tuple[str, str]]" = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("BAD", "bold red")}


def doctor(profile: Profile = None, as_json: AsJson = False) -> None:
    """Look at the machine, settings, weights, database, keys and port; nothing is changed and nothing downloaded.

    Exit codes: 0 the service can start, 1 something is bad.
    """
    from service.cli.checks import all_checks
    from service.telemetry import configure_logging

    configure_logging("critical", "text")  # what is found is shown once
    found = list(all_checks(profile))
    well = all(check.state != "bad" for check in found)
    if as_json:
        typer.echo(json.dumps({"ok": well, "checks": [vars(check) for check in found]}, indent=2, ensure_ascii=False))
    else:
        Console().print(_table(found))
    raise typer.Exit(0 if well else 1)


def _table(found: "list[Check]") -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in found:
        mark, colour = MARKS[check.state]
        words = Text(check.found)
        if check.advice:
            words.append(f"\n→ {check.advice}", style="dim")
        table.add_row(Text(mark, style=colour), check.name, words)
    return table
