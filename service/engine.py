"""Settings become a recognizer: the part of the composition that the server and the command line share."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import InvalidFields, SettingsError, WeightsMissing
from service.images import FORMATS, ImageLimits
from service.images.process import Fault
from service.images.processes import DecoderProcesses
from service.models.batch_size import FOR_EACH_THREAD, BatchSizes, batch_sizes
from service.models.catalog import GIVES_MASKS, PROFILES, Kind, Model, Profile
from service.models.factory import load_encoder, load_localizer, load_segmenter
from service.models.find import find_model
from service.models.hardware import Hardware, choose_hardware, one_blas_thread, set_torch_threads, usable_processors
from service.models.weights import Progress, WeightsStore
from service.recognizer import Recognizer
from service.settings import Settings, bare_environment
from service.stages.options import Limits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    recognizer: Recognizer
    hardware: Hardware
    localizer_row: Model
    encoder_row: Model
    segmenter_row: Model | None
    decoders: DecoderProcesses | None = None


def weights_store(settings: Settings, progress: Progress | None = None) -> WeightsStore:
    return WeightsStore(
        settings.models_cache,
        offline=settings.offline,
        revisions=settings.revisions,
        hub_endpoint=settings.hub_endpoint,
        progress=progress,
    )


def chosen_models(settings: Settings) -> tuple[Model, Model, Model | None]:
    """The localizer's, the encoder's and, if masks are wanted, the segmenter's row.

    Raises SettingsError, listing the known names.
    """
    profile = profile_of(settings)
    localizer = _find(settings.localizer or profile.localizer, "localizer")
    encoder = _find(settings.encoder or profile.encoder, "encoder")
    # A localizer that sees the object's pixels itself needs no second model to say which they are.
    usual = None if localizer.family in GIVES_MASKS or localizer.family == "none" else profile.segmenter
    segmenter = settings.segmenter or usual
    return localizer, encoder, None if segmenter in (None, "none") else _find(segmenter, "segmenter")


def profile_of(settings: Settings) -> Profile:
    """Raises SettingsError, listing the known names."""
    profile = PROFILES.get(settings.profile)
    if profile is None:
        raise SettingsError(f"L2R2_PROFILE: {settings.profile!r} is not known; known: {', '.join(PROFILES)}")
    return profile


def _find(name: str, kind: Kind) -> Model:
    try:
        return find_model(name, kind)
    except InvalidFields as error:
        raise SettingsError(f"L2R2_{kind.upper()}: {error.problems[0].detail}") from None


def load_engine(
    settings: Settings, progress: Progress | None = None, decoders: DecoderProcesses | None = None
) -> Engine:
    """Fetch what is missing, load both models, start their workers; pictures are decoded by the `decoders`, else here.

    Raises:
        SettingsError, WeightsError.
    """
    localizer_row, encoder_row, segmenter_row = chosen_models(settings)
    image_limits(settings)  # a bad one stops the start before anything is loaded
    rows = [row for row in (localizer_row, encoder_row, segmenter_row) if row is not None]
    one_blas_thread()
    hardware = choose_hardware(settings.device, settings.dtype, settings.threads, settings.compile)
    if all(row.family in FOR_EACH_THREAD for row in rows):
        hardware = choose_hardware("cpu", settings.dtype, settings.threads)  # these run on processors in any case
    set_torch_threads(hardware.threads)
    log.info("loading models", extra={"device": str(hardware), "models": [row.name for row in rows]})
    store = weights_store(settings, progress)
    try:
        localizer = load_localizer(localizer_row, store, hardware)
        encoder = load_encoder(encoder_row, store, hardware)
        segmenter = load_segmenter(segmenter_row, store, hardware) if segmenter_row is not None else None
    except WeightsMissing as error:
        raise _with_others_missing(error, store, rows) from None
    families = (localizer_row.family, None if segmenter_row is None else segmenter_row.family, encoder_row.family)
    sizes = batch_sizes(hardware, families, (localizer, segmenter, encoder), settings.max_batch_size)
    elsewhere = decoders.decode if decoders else None
    recognizer = Recognizer(localizer, encoder, _limits(settings, hardware, sizes), segmenter, elsewhere)
    return Engine(recognizer, hardware, localizer_row, encoder_row, segmenter_row, decoders)


def _with_others_missing(error: WeightsMissing, store: WeightsStore, rows: Sequence[Model]) -> WeightsMissing:
    """Who has to fetch something by hand wants to know of everything at once."""
    own, _, _ = error.detail.partition(":")
    others = [row.name for row in rows if row.name != own and store.status(row).state == "missing"]
    return WeightsMissing(f"{error.detail}. As little is there of: {', '.join(others)}") if others else error


def start_decoders(settings: Settings) -> DecoderProcesses | None:
    """For a service that is open to strangers; None where settings want its own threads to decode."""
    if settings.decoders == "threads":
        return None
    return DecoderProcesses(
        settings.threads or usable_processors(),
        settings.decode_timeout_s,
        settings.decoder_memory_mb * 2**20,
        bare_environment(),
    )


def wait_for_decoders(decoders: DecoderProcesses) -> None:
    """Raises SettingsError if they do not start."""
    try:
        decoders.wait_ready()
    except Fault as fault:
        raise SettingsError(f"a decoder process does not start (L2R2_DECODERS is processes): {fault}") from None


def image_limits(settings: Settings) -> ImageLimits:
    """Raises SettingsError, listing the known formats."""
    formats = tuple(FORMATS) if settings.formats is None else tuple(map(str.strip, settings.formats.split(",")))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise SettingsError(f"L2R2_FORMATS: {unknown[0]!r} is not known; known: {', '.join(FORMATS)}")
    return ImageLimits(
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_image_pixels,
        working_pixels=settings.working_pixels,
        max_metadata_bytes=settings.max_metadata_bytes,
        formats=formats,
    )


def _limits(settings: Settings, hardware: Hardware, sizes: BatchSizes) -> Limits:
    return Limits(
        image=image_limits(settings),
        branches=profile_of(settings).branches,
        box_threshold=settings.box_threshold,
        box_margin=settings.box_margin,
        object_overlap=settings.object_overlap,
        locate_timeout_s=settings.locate_timeout_s,
        request_timeout_s=settings.request_timeout_s,
        max_batch=sizes,
        max_waiting=settings.queue_items,
        threads=hardware.threads,
        overlap=hardware.device == "cuda" if settings.overlap == "auto" else settings.overlap == "on",
        memory_bytes=settings.embeddings_cache_mb * 2**20,
    )
