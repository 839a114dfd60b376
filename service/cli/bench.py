"""`l2r2 bench`: what the service costs beside its bare models."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def bench(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for bench.json and bench.png.")] = Path("bench"),
    only: Annotated[str | None, typer.Option(help="Parts to measure, separated by commas.")] = None,
    seconds: Annotated[float, typer.Option()] = 8.0,
    concurrency: Annotated[str, typer.Option()] = "1,2,4,8,16,32,64",
    branches: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Measure."""
    from service.bench.choices import USUAL_PARTS, Choices
    from service.bench.run import run

    choices = Choices(
        parts=frozenset(only.split(",") if only else USUAL_PARTS),
        seconds=seconds,
        concurrency=tuple(map(int, concurrency.split(","))),
        branches=tuple(branches.split(",")) if branches else None,
    )
    import time

    t0 = time.time()
    result = run(choices, lambda text: Console(stderr=True).print(round(time.time() - t0, 1), text))
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    for row in result.get("limit", {}).get("rows", ()):
        typer.echo(row)
    for row in [*result.get("http", {}).get("closed", ()), *result.get("http", {}).get("open", ())]:
        typer.echo({k: v for k, v in row.items() if k != "latencies_ms"})
    typer.echo(result["noise"]["warnings"])
    typer.echo({k: v for k, v in result.get("limit", {}).items() if k != "rows"})
