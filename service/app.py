"""The composition root: settings become parts, parts become an application."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

import service
from service.api import calibration, classify, datasets, health, problems, versions
from service.api.body_limits import BodyBounds, BodyLimit
from service.api.middleware import RequestContext
from service.api.state import Parts, State
from service.datasets.build_store import BuildStore
from service.datasets.builder import PrototypeBuilder
from service.datasets.database import Database
from service.datasets.pacing import Traffic
from service.datasets.prototypes import DatasetEncoder
from service.datasets.records import RegistryLimits
from service.datasets.registry import Registry
from service.datasets.store import DatasetStore
from service.engine import Engine, load_engine, warm_up
from service.errors import ServiceError
from service.models.hardware import use_torch_threads
from service.settings import Settings

log = logging.getLogger(__name__)


def load_parts(settings: Settings) -> Parts:
    """Load models, open the database, make all prototypes ready, and pass one real inference.

    Raises:
        ServiceError: a setting, weights, or the database do not allow to start.
    """
    return parts_around(load_engine(settings), settings)


def parts_around(engine: Engine, settings: Settings) -> Parts:
    """The rest of what is loaded, and one real inference. Raises ServiceError."""
    database = Database(settings.database_url, settings.data_dir)
    database.migrate()
    encoder = _dataset_encoder(engine)
    store, builds = DatasetStore(database), BuildStore(database)
    registry = Registry(
        store,
        builds,
        PrototypeBuilder(store, builds, encoder, settings.build_chunk_texts, _traffic(engine)),
        encoder,
        engine.recognizer.localizer.check_prompts,
        RegistryLimits(settings.max_classes, settings.background_build_texts, settings.prototypes_cache_mb * 2**20),
    )
    registry.start()
    warm_up(engine.recognizer)
    # What is loaded stays: looking through it for garbage again and again would stop every thread for long.
    gc.collect()
    gc.freeze()
    log.info("ready", extra={"device": str(engine.hardware), "profile": settings.profile, "database": str(database)})
    return Parts(engine, registry, database)


def _dataset_encoder(engine: Engine) -> DatasetEncoder:
    from service.models.comparing import ResidentPrototypes  # torch, which takes its time to import

    recognizer, device = engine.recognizer, engine.hardware.device
    return DatasetEncoder(
        recognizer.encoder.name,
        recognizer.encoder.revision,
        recognizer.encoder.embed_texts,
        recognizer.embed_exemplar,
        picture_revision=f"{recognizer.localizer.name} {recognizer.localizer.revision}",
        shared_space=engine.encoder_row.family == "embedded_clip",  # its projector lays texts near pictures
        resident=lambda prototypes: ResidentPrototypes(prototypes, device),
    )


def _traffic(engine: Engine) -> Traffic:
    def use_threads(one: bool) -> None:
        use_torch_threads(1 if one else engine.hardware.threads)

    return Traffic(lambda: engine.recognizer.admission.occupancy.is_busy, use_threads)


def create_app(settings: Settings, on_failure: Callable[[], None] = lambda: None) -> FastAPI:
    """The application; it listens at once and is ready when loading is done. `on_failure` is called if that fails."""
    state = State(settings)

    def loading_ended(task: asyncio.Future[Parts]) -> None:
        error = task.exception()
        if error is None:
            state.parts = task.result()
        else:
            state.failure = error.detail if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"
            log.critical("the service cannot start", extra={"detail": state.failure}, exc_info=_traceback_of(error))
            on_failure()
        state.loaded.set()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loader = ThreadPoolExecutor(1, thread_name_prefix="loader")  # its own: the loop's end does not wait for it
        asyncio.get_running_loop().run_in_executor(loader, load_parts, settings).add_done_callback(loading_ended)
        yield
        state.draining = True
        if state.parts is not None:
            await asyncio.to_thread(state.parts.close)

    app = _Application(
        title="L2R2",
        summary="Zero-shot image recognition that finds the object first.",
        description="After “Localize to Recognize Robustly”: the full picture and the located foreground are compared "
        "with the class names, and the more confident one answers.",
        version=service.__version__,
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
    )
    app.state.service = state
    app.add_middleware(BodyLimit, bounds=BodyBounds.of(settings), held=state.bodies)
    problems.install(app)
    for router in (classify.router, datasets.router, versions.router, calibration.router, health.router):
        app.include_router(router)
    return app


def _traceback_of(error: BaseException) -> BaseException | None:
    """A ServiceError's words say what to do; anything else is a fault whose place must be known."""
    return None if isinstance(error, ServiceError) else error


class _Application(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        return RequestContext(super().build_middleware_stack())  # outermost, so that a crash too has its request id
