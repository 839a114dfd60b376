"""What the service is like at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.batch_record import WorkerHealth
from service.images.decoder_state import DecoderState
from service.stages.memory import MemoryState


@dataclass(frozen=True)
class Reading:
    """What is not loaded yet is empty, or None. Times in seconds.

    models: names of what is loaded, by kind. places: pictures that may be worked on or wait at a time; inside: how many
    do. expected_s: how long a further one would take. canary_age_s: since the models were last known to work.
    device_bytes: memory of the device, by kind.
    """

    ready: bool
    alive: bool
    draining: bool
    bodies_bytes: int
    places: int
    canary_interval_s: float
    models: Mapping[str, str] = field(default_factory=dict)
    workers: Mapping[str, WorkerHealth] = field(default_factory=dict)
    building: WorkerHealth | None = None
    inside: int = 0
    expected_s: float | None = None
    canary_age_s: float | None = None
    canary_failing_s: float = 0.0
    memory: MemoryState | None = None
    decoders: DecoderState | None = None
    device_bytes: Mapping[str, int] = field(default_factory=dict)
