"""A whole run: start what is measured, measure the chosen parts, stop everything."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.bench.bare import Bare, Said
from service.bench.choices import Choices
from service.bench.http_part import measure_http, measure_limit
from service.bench.machine import machine
from service.bench.meter import Meter
from service.bench.noise import Noise
from service.bench.pictures import picture_files
from service.bench.remote import Remote, class_names
from service.bench.request import Request
from service.bench.server import Server, this_service
from service.bench.worker import Worker
from service.images import ImageLimits
from service.settings import environment_with, load_settings

DATASET = "bench"
CLASSES = 100
GOOD = '"fallback":null'


def run(choices: Choices, said: Said) -> dict[str, Any]:
    """Everything measured, ready for JSON.

    Raises:
        BenchFailed, SettingsError, ServiceUnreachable.
    """
    with TemporaryDirectory(prefix="l2r2-bench-") as folder, ExitStack() as stack:
        return _Run(choices, said, Path(folder), stack).measure()


class _Run:
    def __init__(self, choices: Choices, said: Said, folder: Path, stack: ExitStack) -> None:
        self.choices, self.said, self.folder = choices, said, folder
        overrides: dict[str, Any] = {"profile": choices.profile, "log_level": "warning"}
        self.settings = load_settings(**overrides)
        self.environment = environment_with(**overrides, data_dir=folder / "data")
        self.noise = Noise()
        limits = ImageLimits(max_bytes=self.settings.max_image_bytes, max_pixels=self.settings.max_image_pixels)
        self.pictures = picture_files(folder / "pictures", choices.images, limits)
        self.load = _closing(stack, Worker("service.bench.load"))
        self.server: Server | None = None
        self.bare: Bare | None = None
        if choices.url is None:
            said("starting the service")
            self.server = stack.enter_context(this_service(folder, self.environment))
            worker = _closing(stack, Worker("service.bench.limit", self.environment))
            self.bare = Bare(worker, self.noise, self.pictures, choices.branches)
        self.remote = Remote(choices.url or (self.server.url if self.server else ""))
        stack.callback(self.remote.close)
        stack.callback(self.remote.forget, DATASET)
        self.remote.register(DATASET, class_names(CLASSES))

    def request(self, *datasets: str, pictures: Sequence[str] = (), branches: Sequence[str] = ()) -> Request:
        asked = branches or self.choices.branches
        shown = {"branches": ",".join(asked)} if asked else {}
        return Request(
            url=f"{self.remote.url}/classify",
            pictures=list(pictures or self.pictures),
            fields=[{"dataset": name, **shown} for name in datasets or (DATASET,)],
            distinct=not self.choices.repeat_pictures,
            expects=GOOD,
        )

    def meter(self) -> Meter:
        pids = [self.server.pid] if self.server else []
        return Meter(self.load, self.noise, self.request(), pids, self.remote)

    def measure(self) -> dict[str, Any]:
        choices, found = self.choices, {}
        parts = choices.parts
        if "limit" in parts and self.bare:
            found["limit"] = measure_limit(self.bare, choices, self.said)
        if "http" in parts:
            found["http"] = measure_http(self.meter(), self.bare, choices, self.said)
        self.noise.read()
        about = {"machine": machine(self.settings), "models": self.remote.models(), "noise": self.noise.document()}
        asked = {**asdict(choices), "parts": sorted(parts), "images": str(choices.images) if choices.images else None}
        return {"choices": asked, **about, **found}


def _closing(stack: ExitStack, worker: Worker) -> Worker:
    stack.callback(worker.close)
    return worker
