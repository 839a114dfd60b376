"""A whole run: start what is measured, measure the chosen parts, stop everything."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.bench.bare import Bare, Said
from service.bench.checks import measure_memory, measure_registering
from service.bench.choices import PARTS, Choices
from service.bench.costs import measure_classes, measure_datasets, measure_sizes
from service.bench.decoding_part import measure_decoding
from service.bench.http_part import measure_http, measure_limit
from service.bench.machine import machine
from service.bench.meter import Meter
from service.bench.noise import Noise
from service.bench.observing_part import measure_observing
from service.bench.peers_part import Started, measure_infinity_beside, measure_peers
from service.bench.pictures import picture_files
from service.bench.remote import Remote, class_names
from service.bench.request import Request
from service.bench.server import Server, this_service
from service.bench.worker import Worker
from service.engine import chosen_models
from service.images import ImageLimits
from service.recognition.views import DEFAULT_BRANCHES, FULL, VIEWS
from service.settings import environment_with, load_settings

Keep = Callable[[dict[str, Any]], None]
CLASSES = 100
GOOD = '"fallback":null'  # a box was found and used, so that all the work was done


def run(choices: Choices, said: Said, keep: Keep, headers: Mapping[str, str]) -> dict[str, Any]:
    """Everything measured, ready for JSON; `said` is told what is under way, `keep` what was found after each part.
    `headers`: of each request to the service, such as a key's; they are not among what was found.

    Raises:
        BenchFailed, SettingsError, ServiceUnreachable.
    """
    with TemporaryDirectory(prefix="l2r2-bench-") as folder, ExitStack() as stack:
        return _Run(choices, said, Path(folder), stack, headers).measure(keep)


class _Run:
    def __init__(
        self, choices: Choices, said: Said, folder: Path, stack: ExitStack, headers: Mapping[str, str]
    ) -> None:
        self.choices, self.said, self.folder, self.stack, self.headers = choices, said, folder, stack, headers
        self.overrides: dict[str, Any] = {"profile": choices.profile, "log_level": "warning"}
        if choices.random_weights:
            said("saving random weights")
            self.overrides |= _random_weights(choices.profile, folder)
        self.settings = load_settings(**self.overrides)
        self.environment = environment_with(**self.overrides, data_dir=folder / "data")
        self.noise = Noise()
        limits = ImageLimits(max_bytes=self.settings.max_image_bytes, max_pixels=self.settings.max_image_pixels)
        self.pictures = picture_files(folder / "pictures", choices.images, limits)
        self.load = self._closing(Worker("service.bench.load"))
        self.server: Server | None = None
        self.bare: Bare | None = None
        if choices.url is None:
            said("starting the service")
            self.server = stack.enter_context(this_service(folder, self.environment))
            worker = self._closing(Worker("service.bench.limit", self.environment))
            self.bare = Bare(worker, self.noise, self.pictures, choices.branches)
        self.remote, self.request = self._remote(choices.url or (self.server.url if self.server else ""))

    def measure(self, keep: Keep) -> dict[str, Any]:
        measures = self._measures()
        found: dict[str, Any] = {}
        for part in PARTS:
            if part in self.choices.parts and part in measures:
                found[part] = measures[part]()
                keep({**self._about(), **found})
        self.noise.read()
        return {**self._about(), **found}

    def _measures(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """What measures each part."""
        choices, remote, bare, said = self.choices, self.remote, self.bare, self.said
        asked = asking_views(self.request, choices.branches)
        meter = Meter(self.load, self.noise, asked, [self.server.pid] if self.server else [], remote)
        seconds, most_bytes = choices.seconds, self.settings.max_image_bytes
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "http": lambda: measure_http(meter, bare, choices, said),
            "classes": lambda: measure_classes(meter, remote, asked, choices.classes, seconds, said),
            "sizes": lambda: measure_sizes(meter, asked, choices.megapixels, seconds, self.folder, most_bytes, said),
            "datasets": lambda: measure_datasets(meter, remote, asked, choices.datasets, seconds, said),
            "memory": lambda: measure_memory(meter, choices.memory_requests, said),
            "registering": lambda: measure_registering(meter, remote, choices.registering_classes, seconds, said),
        }
        if bare is not None:
            measures |= {
                "limit": lambda: measure_limit(bare, choices, said),
                "observing": lambda: measure_observing(self._another, seconds, said),
                "decoding": lambda: measure_decoding(self._another, seconds, said),
                "peers": lambda: self._peers(meter, bare),
                "infinity": self._infinity,
            }
        return measures

    def _about(self) -> dict[str, Any]:
        choices = self.choices
        asked = {**asdict(choices), "parts": sorted(choices.parts), "images": choices.images and str(choices.images)}
        about = {"machine": machine(self.settings), "models": self.remote.models(), "noise": self.noise.document()}
        return {"choices": asked, **about}

    def _remote(self, url: str) -> tuple[Remote, Request]:
        """A service, and a request of a dataset there that is deleted at the end."""
        remote = Remote(url, self.headers)
        self.stack.callback(remote.close)
        dataset = remote.register("usual", class_names(CLASSES))
        fields, distinct = [{"dataset": dataset}], not self.choices.repeat_pictures
        address = f"{remote.url}/classify"
        return remote, Request(address, self.pictures, fields, distinct=distinct, headers=self.headers)

    def _peers(self, meter: Meter, bare: Bare) -> dict[str, Any]:
        started = Started(self.folder, self.environment, self.choices.litserve_python)
        request = asking_views(self.request, DEFAULT_BRANCHES)
        return measure_peers(meter, bare, request, started, CLASSES, self.choices.seconds, self.said)

    def _infinity(self) -> dict[str, Any]:
        """Beside a further service, which has no localizer."""
        alone = environment_with(**{**self.overrides, "localizer": "none"}, data_dir=self.folder / "alone")
        server = self.stack.enter_context(this_service(self.folder, alone))
        remote, asked = self._remote(server.url)
        own = Meter(self.load, self.noise, asking_views(asked, (FULL,)), [server.pid], remote)
        return measure_infinity_beside(own, self.choices, Started(self.folder, self.environment), self.said)

    def _another(self, settings: Mapping[str, Any]) -> Meter:
        """Of a further service with these settings, until the end of the run."""
        own = {**self.overrides, **settings, "data_dir": self.folder / "-".join(map(str, settings.values()))}
        server = self.stack.enter_context(this_service(self.folder, environment_with(**own)))
        remote, asked = self._remote(server.url)
        return Meter(self.load, self.noise, asking_views(asked, self.choices.branches), [server.pid], remote)

    def _closing(self, worker: Worker) -> Worker:
        self.stack.callback(worker.close)
        return worker


def asking_views(request: Request, branches: Sequence[str] | None) -> Request:
    """The same request for these views; None for the service's usual ones."""
    shown = {"branches": ",".join(branches)} if branches else {}
    needs_box = branches is None or any(VIEWS[name].needs_box for name in branches if name in VIEWS)
    fields = [{**entry, **shown} for entry in request.fields]
    return replace(request, fields=fields, expects=GOOD if needs_box else "")


def _random_weights(profile: str | None, folder: Path) -> dict[str, str]:
    from service.bench.random_weights import save_random_weights

    localizer, encoder, _ = chosen_models(load_settings(profile=profile))
    return save_random_weights(localizer.name, encoder.name, folder / "weights")
