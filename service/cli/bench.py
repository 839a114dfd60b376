"""`l2r2 bench`: what the service costs beside its bare models."""

import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from service.access.presenting import key_headers
from service.cli.completing import Profile
from service.cli.remote import Key
from service.settings import client_key

if TYPE_CHECKING:
    from service.bench.choices import Choices

Text = str | None
NUMBERS: Mapping[str, type[int] | type[float]] = {
    "concurrency": int,
    "rates": float,
    "batches": int,
    "classes": int,
    "megapixels": float,
    "datasets": int,
}
Out = Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder for bench.json and bench.png.")]
PARTS = "limit, http, classes, sizes, datasets, peers, infinity, memory, registering, observing, decoding"
Parts = Annotated[Text, typer.Option(help=f"Of {PARTS}.")]
Seconds = Annotated[float | None, typer.Option(help="Of one load; 8 by default.")]
Quick = Annotated[bool, typer.Option("--quick", help="Few points, of 3 seconds.")]
Url = Annotated[Text, typer.Option(help="A running service, instead of one started for the run.")]
Random = Annotated[bool, typer.Option("--random-weights", help="The profile's models at random: no download.")]
Callers = Annotated[Text, typer.Option(help="Callers at a time, such as 1,8,64.")]
Rates = Annotated[Text, typer.Option(help="Arrivals, as parts of the best throughput: 0.5,0.8.")]
Batches = Annotated[Text, typer.Option(help="Batch sizes of the model-only limit.")]
Turns = Annotated[int | None, typer.Option(help="Parts of each load, the limit in between: where it is noisy.")]
Classes = Annotated[Text, typer.Option(help="Numbers of classes, such as 10,100000.")]
Megapixels = Annotated[Text, typer.Option(help="Sizes of pictures, such as 0.3,100.")]
Datasets = Annotated[Text, typer.Option(help="Numbers of datasets, such as 1,1000.")]
Branches = Annotated[Text, typer.Option(help="Views to ask for; else those that answer usually.")]
Images = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Your pictures; else drawn ones.")]
Repeat = Annotated[bool, typer.Option("--repeat-pictures", help="Send the same bytes again and again.")]
Peers = Annotated[bool, typer.Option("--peers", help="Also a plain FastAPI handler and LitServe.")]
LitServe = Annotated[Text, typer.Option(help="Python that has LitServe beside the service, if this one has not.")]
Infinity = Annotated[Text, typer.Option(help="Command that starts infinity; {port} and {model} are filled in.")]
Memory = Annotated[int | None, typer.Option(help="Whether memory grows over so many requests.")]
Registering = Annotated[int | None, typer.Option(help="Waits while so many classes are registered.")]


def bench(
    out: Out = Path("bench"),
    only: Parts = None,
    seconds: Seconds = None,
    quick: Quick = False,
    url: Url = None,
    key: Key = None,
    profile: Profile = None,
    random_weights: Random = False,
    turns: Turns = None,
    concurrency: Callers = None,
    rates: Rates = None,
    batches: Batches = None,
    classes: Classes = None,
    megapixels: Megapixels = None,
    datasets: Datasets = None,
    branches: Branches = None,
    images: Images = None,
    repeat_pictures: Repeat = False,
    peers: Peers = False,
    litserve_python: LitServe = None,
    infinity: Infinity = None,
    memory_requests: Memory = None,
    while_registering: Registering = None,
) -> None:
    """Measure the models alone, the service over HTTP, what classes, pixels and datasets cost, and peers beside it.

    The settings are the service's own (L2R2_ variables). Leave the machine alone meanwhile; a noisy one is told of.
    """
    given = dict(locals())
    _check_extra()
    from service.bench.choices import make_choices

    for name, kind in NUMBERS.items():
        given[name] = _numbers(name, given[name], kind)
    given |= {"only": _texts(only), "branches": _texts(branches)}
    given["registering_classes"] = given.pop("while_registering")
    _measure(make_choices(given), out, key_headers(key or client_key()))


def _measure(choices: "Choices", out: Path, headers: Mapping[str, str]) -> None:
    import json

    from service.bench.bars import bars
    from service.bench.plots import drawn_png
    from service.bench.run import run
    from service.bench.tables import report
    from service.evaluation.whole_files import write_whole

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped too
    errors, begin_s = Console(stderr=True), time.monotonic()

    def said(text: str) -> None:
        errors.print(f"{time.monotonic() - begin_s:6.0f} s  {text}", highlight=False)

    def keep(found: dict[str, Any]) -> None:
        document = {**found, "bars": [{**vars(bar), "kept": bar.kept} for bar in bars(found)]}
        write_whole(out / "bench.json", (json.dumps(document, indent=1) + "\n").encode())
        drawing = drawn_png(found)
        if drawing is not None:
            write_whole(out / "bench.png", drawing)

    try:
        found = run(choices, said, keep, headers)
    finally:
        signal.signal(signal.SIGTERM, before)
    keep(found)
    Console().print(report(found))
    typer.echo(f"written in {out}: bench.json, and bench.png if there is something to draw")


def _check_extra() -> None:
    """Raises PackageMissing where the extra is not installed."""
    from importlib.util import find_spec

    from service.errors import PackageMissing

    if not find_spec("psutil") or not find_spec("matplotlib"):
        raise PackageMissing("measuring needs psutil and matplotlib: pip install '.[bench]'")


def _texts(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text is not None else None


def _numbers(name: str, text: str | None, kind: type[int] | type[float]) -> tuple[float, ...] | None:
    """Raises InvalidFields."""
    from service.errors import FieldProblem, InvalidFields

    try:
        return tuple(kind(part) for part in _texts(text) or ()) if text is not None else None
    except ValueError:
        raise InvalidFields(FieldProblem(name, f"{text!r} are not numbers separated by commas")) from None
