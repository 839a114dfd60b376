"""The service beside what people use today, in the same run and on the same weights."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from service.bench.bare import Bare, Said
from service.bench.choices import Choices
from service.bench.figures import Point, joined
from service.bench.meter import Meter
from service.bench.remote import class_names
from service.bench.request import Request
from service.bench.server import Server, free_port
from service.bench.worker import BenchFailed

CONCURRENCY = (1, 8)
TURNS = 2
LITSERVE = ("litserve", "litserve around our models")


@dataclass(frozen=True)
class Started:
    """What the peers are started with."""

    folder: Path
    environment: Mapping[str, str]
    litserve_python: str | None = None  # None: LitServe is installed beside the service


def measure_peers(
    own: Meter, bare: Bare, request: Request, started: Started, classes: int, seconds: float, said: Said
) -> dict[str, Any]:
    """Ours and each peer's in turns at the same work: the box, two views, so many classes."""
    prototypes = started.folder / "prototypes.npy"
    scale = bare.save_prototypes(class_names(classes), str(prototypes))
    found: dict[str, Any] = {"missing": []}
    names = ["plain", *LITSERVE]
    try:
        found["plain_models_ms"] = bare.plain_ms()
    except BenchFailed as error:  # models that nobody has a usual way for
        found["missing"].append(error.detail)
        names = [LITSERVE[1]]
    if started.litserve_python is None and find_spec("litserve") is None:
        found["missing"].append("litserve: pip install '.[peers]', or name its Python by --litserve-python")
        names = [name for name in names if name not in LITSERVE]
    for name in names:
        said(f"starting {name}")
        with _peer(name, started, prototypes, scale) as peer:
            theirs = replace(own, pids=[peer.pid], remote=None)
            asked = replace(request, url=f"{peer.url}/classify", expects="", fields=[{"dataset": "peer"}])
            found[name] = compared(own, request, theirs, asked, seconds, said, name)
    return found


def _peer(name: str, started: Started, prototypes: Path, scale: float) -> Server:
    python, module, ready = sys.executable, "service.bench.peers.plain_handler", "/docs"
    if name in LITSERVE:
        python, module, ready = started.litserve_python or python, "service.bench.peers.litserve_peer", "/health"
    port = free_port()
    models = "own" if name == LITSERVE[1] else "plain"
    options = ["--port", str(port), "--prototypes", str(prototypes), "--scale", str(scale), "--models", models]
    log = started.folder / f"{name}.log"
    return Server(name, [python, "-m", module, *options], port, ready, log, started.environment)


def compared(
    own: Meter, own_request: Request, theirs: Meter, their_request: Request, seconds: float, said: Said, name: str
) -> dict[str, Any]:
    """At each concurrency ours and theirs in turns."""
    rows = []
    for callers in CONCURRENCY:
        own.warm_up(callers, own_request)
        theirs.warm_up(callers, their_request)
    for concurrency in CONCURRENCY:
        points: tuple[list[Point], list[Point]] = ([], [])
        for turn in range(TURNS):
            said(f"{name} beside the service at concurrency {concurrency}, turn {turn + 1} of {TURNS}")
            points[0].append(own.closed(concurrency, seconds / TURNS, request=own_request))
            points[1].append(theirs.closed(concurrency, seconds / TURNS, request=their_request))
        ours, other = map(joined, points)
        rows.append({"concurrency": concurrency, "own": ours.document(), "peer": other.document()})
    return {"rows": rows}


def measure_infinity_beside(own: Meter, choices: Choices, started: Started, said: Said) -> dict[str, Any]:
    """`own`: a service without a localizer; the full view alone on both sides. infinity is started by the user's
    command, in which `{port}` and, for a random CLIP B/32 as transformers has it, `{model}` are filled in.
    """
    assert choices.infinity is not None
    port, model = free_port(), started.folder / "infinity"
    if "{model}" in choices.infinity:
        from service.bench.random_weights import save_transformers_clip_b

        save_transformers_clip_b(model)
    words = [word.format(port=port, model=model) for word in shlex.split(choices.infinity)]
    said("starting infinity")
    log = started.folder / "infinity.log"
    with Server("infinity", words, port, "/health", log, started.environment) as server:
        served = httpx.get(f"{server.url}/models", timeout=60).json()["data"][0]["id"]
        fields = [{"model": served, "modality": "image"}]
        request = own.request
        asked = replace(request, url=f"{server.url}/embeddings", form="embeddings", fields=fields, expects="")
        theirs = replace(own, pids=[server.pid], remote=None)
        return compared(own, request, theirs, asked, choices.seconds, said, "infinity")
