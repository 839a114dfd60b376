"""The composition root: settings become parts, parts become an application."""

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Lifespan

import service
from service.access.keyring import Keyring
from service.access.limits import Limits
from service.api import calibration, classify, datasets, health, inference_protocol, metrics, pages, problems, versions
from service.api.body_limits import BodyBounds, BodyLimit
from service.api.guard import Guard
from service.api.headers import SecurityHeaders, with_cors
from service.api.life import Life
from service.api.middleware import RequestContext
from service.api.openapi import completed
from service.api.own_host import OwnHost
from service.api.route_names import RouteNames
from service.api.state import Parts, State
from service.datasets.adhoc import AdhocDatasets
from service.datasets.adhoc_list import AdhocLimits
from service.datasets.build_store import BuildStore
from service.datasets.builder import PrototypeBuilder
from service.datasets.database import Database
from service.datasets.pacing import Traffic
from service.datasets.prototypes import DatasetEncoder
from service.datasets.records import RegistryLimits
from service.datasets.registry import Registry
from service.datasets.store import DatasetStore
from service.engine import Engine, load_engine, start_decoders, wait_for_decoders
from service.models.hardware import use_torch_threads
from service.observing.chosen import observer_of
from service.settings import Settings
from service.watching.canary import Canary

if TYPE_CHECKING:
    from service.fetching.fetch import Fetcher

log = logging.getLogger(__name__)


def load_parts(settings: Settings) -> Parts:
    """Load models, open the database, make all prototypes ready, and pass one real inference.

    Raises:
        ServiceError: a setting, weights, or the database do not allow to start.
    """
    database = _database(settings)  # first: what is wrong there is known before gigabytes are loaded
    decoders = start_decoders(settings)  # beside the loading
    try:
        engine = load_engine(settings, decoders=decoders)
        if decoders is not None:
            wait_for_decoders(decoders)
        return assemble(settings, engine, database)
    except BaseException:
        if decoders is not None:
            decoders.close()
        raise


def assemble(settings: Settings, engine: Engine, database: Database | None = None) -> Parts:
    """The same with models that are loaded already."""
    database = database or _database(settings)
    encoder = _dataset_encoder(engine)
    store, builds = DatasetStore(database), BuildStore(database)
    builder = PrototypeBuilder(store, builds, encoder, settings.build_chunk_texts, _traffic(engine))
    registry = Registry(
        store,
        builds,
        builder,
        encoder,
        engine.recognizer.localizer.check_prompts,
        RegistryLimits(settings.max_classes, settings.background_build_texts, settings.prototypes_cache_mb * 2**20),
    )
    registry.start()
    most = AdhocLimits(settings.max_adhoc_classes, settings.background_build_texts, settings.adhoc_cache_mb * 2**20)
    adhoc = AdhocDatasets(encoder, builder.embed, most, engine.recognizer.turn)
    canary = Canary(engine.recognizer, settings.canary_interval_s, patience_s=settings.stall_s)
    canary.prepare()
    asyncio.run(canary.try_once())
    # What is loaded stays: looking through it for garbage again and again would stop every thread for long.
    gc.collect()
    gc.freeze()
    log.info("ready", extra={"device": str(engine.hardware), "profile": settings.profile, "database": str(database)})
    return Parts(engine, registry, adhoc, database, canary, settings.stall_s)


def _database(settings: Settings) -> Database:
    database = Database(settings.database_url, settings.data_dir)
    database.migrate()
    return database


def _dataset_encoder(engine: Engine) -> DatasetEncoder:
    from service.models.comparing import ResidentPrototypes  # torch, which takes its time to import

    recognizer, hardware = engine.recognizer, engine.hardware
    return DatasetEncoder(
        recognizer.encoder.name,
        recognizer.encoder.revision,
        recognizer.encoder.embed_texts,
        recognizer.embed_exemplar,
        picture_revision=f"{recognizer.localizer.name} {recognizer.localizer.revision}",
        shared_space=engine.encoder_row.family == "embedded_clip",  # its projector lays texts near pictures
        resident=lambda prototypes: ResidentPrototypes(prototypes, hardware),
    )


def _traffic(engine: Engine) -> Traffic:
    def use_threads(one: bool) -> None:
        use_torch_threads(1 if one else engine.hardware.threads)

    return Traffic(lambda: engine.recognizer.admission.occupancy.is_busy, use_threads)


def _fetcher(settings: Settings) -> "Fetcher | None":
    if not settings.fetch_urls:
        return None
    from service.fetching.fetch import Fetcher, FetchLimits  # an HTTP client, which nothing else here needs

    hosts = [host.strip().lower() for host in (settings.fetch_hosts or "").split(",")]
    limits = FetchLimits(
        settings.fetch_timeout_s,
        settings.max_image_bytes,
        settings.fetch_redirects,
        settings.fetch_concurrent,
        tuple(filter(None, hosts)),
    )
    return Fetcher(limits)


def create_app(
    settings: Settings,
    on_failure: Callable[[], None] = lambda: None,
    on_beyond_help: Callable[[str], None] = lambda _reason: None,
    load: Callable[[Settings], Parts] = load_parts,
) -> FastAPI:
    """The application; it listens at once and is ready when loading is done.

    Args:
        on_failure: called if loading fails.
        on_beyond_help: called, from another thread, if only a new process can help.

    Raises:
        SettingsError: the key file cannot be read, or what is to make traces is not installed.
    """
    state = State(settings, _fetcher(settings), observer=observer_of(settings))
    keyring = Keyring(settings.keys_file) if settings.keys_file is not None else None
    app = _described(settings, Life(state, load, on_failure, on_beyond_help).lifespan)
    app.state.service = state
    app.add_middleware(BodyLimit, bounds=BodyBounds.of(settings), held=state.bodies)
    if keyring is not None:  # around the others: who has no key is told nothing else, and no body of his is read
        app.add_middleware(Guard, keyring=keyring, limits=Limits(), public_paths=settings.public_paths)
    elif not settings.allow_anonymous:
        app.add_middleware(OwnHost)
    problems.install(app)
    if settings.docs == "on":
        pages.install(app)
    modules = [classify, datasets, versions, calibration, health, inference_protocol]
    routers = [module.router for module in modules]
    if state.observer.metrics is not None:
        state.observer.metrics.watch(state.reading)
        routers.append(metrics.router)
    app.state.routes = RouteNames(routers)
    for router in routers:
        app.include_router(router)
    return app


def _described(settings: Settings, lifespan: Lifespan[FastAPI]) -> FastAPI:
    return _Application(
        title="L2R2",
        summary="Zero-shot image recognition that finds the object first.",
        description="After “Localize to Recognize Robustly”: the full picture and the located foreground are compared "
        "with the class names, and the more confident one answers.",
        version=service.__version__,
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
        openapi_url=None if settings.docs == "off" else "/openapi.json",
        docs_url=None,  # see `pages`
        redoc_url=None,
    )


class _Application(FastAPI):
    """Outermost is what a crash's answer too must have: its request id, its headers."""

    def build_middleware_stack(self) -> ASGIApp:
        inner = with_cors(super().build_middleware_stack(), self._state.settings.cors_origins)
        state = self._state
        return RequestContext(SecurityHeaders(inner), lambda: state.draining, state.observer, self.state.routes.of)

    def openapi(self) -> dict[str, Any]:
        return completed(super().openapi(), self._state.settings)

    @property
    def _state(self) -> State:
        state: State = self.state.service
        return state
