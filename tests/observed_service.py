"""`l2r2 serve` with the models of `light_models`, and everything that has metrics: decoder processes, a cache."""

import sys

from light_models import ColourEncoder, FaultyLocalizer  # type: ignore[import-not-found]

from service.api.state import Parts
from service.cli.serve import run
from service.engine import Engine, start_decoders, wait_for_decoders
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.parts import assemble
from service.recognizer import Recognizer
from service.settings import Settings, load_settings
from service.stages.options import Limits


def parts(settings: Settings) -> Parts:
    decoders = start_decoders(settings)
    assert decoders is not None
    limits = Limits(threads=2, max_waiting=settings.queue_items, memory_bytes=settings.embeddings_cache_mb * 2**20)
    recognizer = Recognizer(FaultyLocalizer(), ColourEncoder(), limits, None, decoders.decode)
    wait_for_decoders(decoders)
    hardware = Hardware("cpu", False, 2)
    return assemble(settings, Engine(recognizer, hardware, MODELS["u2netp"], MODELS["embedded"], None, decoders))


if __name__ == "__main__":
    assert sys.argv[1] == "--port"
    run(load_settings(port=int(sys.argv[2])), parts)
