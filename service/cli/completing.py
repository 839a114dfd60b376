"""What a shell is told when it completes a word: quick, and silent where nothing is to be had."""

from typing import Annotated

import typer

ANSWER_S = 1.0


def dataset_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Of the service that the command line names so far, or the usual one."""
    from service.client import Client, Retries, ServiceError
    from service.client.connecting import DEFAULT_URL
    from service.settings import client_key

    url = ctx.params.get("url") or ctx.params.get("server") or DEFAULT_URL
    retries = Retries(deadline_s=ANSWER_S, connections=1)
    try:
        with Client(url, key=ctx.params.get("key") or client_key(), retries=retries) as client:
            names = [dataset.name for dataset in client.datasets.list()]
    except ServiceError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def fusions(incomplete: str) -> list[tuple[str, str]]:
    from service.recognition.fusion import FUSIONS

    return [(name, row.summary) for name, row in FUSIONS.items() if name.startswith(incomplete)]


def branches(incomplete: str) -> list[tuple[str, str]]:
    """The last of several with commas between them."""
    from service.recognition.views import VIEWS

    before, comma, last = incomplete.rpartition(",")
    there = before.split(",")
    named = {name: view.summary for name, view in VIEWS.items() if name.startswith(last) and name not in there}
    return [(before + comma + name, summary) for name, summary in named.items()]


def profiles(incomplete: str) -> list[tuple[str, str]]:
    from service.models.catalog import PROFILES

    return [(name, row.note) for name, row in PROFILES.items() if name.startswith(incomplete)]


Profile = Annotated[str | None, typer.Option(help="Which models to use.", autocompletion=profiles)]
