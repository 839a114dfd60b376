"""What decoding in processes of their own costs: such a service, and one that decodes in threads, asked in turns."""

from collections.abc import Callable, Mapping
from typing import Any

from service.bench.bare import Said
from service.bench.meter import Meter
from service.bench.observing_part import CALLERS, QUIET, Pair, taking_turns

TURNS = 8


def measure_decoding(start: Callable[[Mapping[str, Any]], Meter], seconds: float, said: Said) -> dict[str, Any]:
    """`start` starts a service with some settings. `on`: with processes; `off`: with threads."""
    said("starting a service that decodes in processes, and one that decodes in threads")
    pair = Pair(*(start({"decoders": kind, **QUIET}) for kind in ("processes", "threads")))
    for meter in (pair.on, pair.off):
        meter.warm_up(CALLERS)
    return taking_turns(pair, seconds / TURNS, TURNS, said, "decoded in processes or threads")
