"""The parts that routes work with, made from settings: models, datasets, class lists of requests, the canary."""

import asyncio
import gc
import logging

from service.api.state import Parts
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
from service.settings import Settings
from service.watching.canary import Canary

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
