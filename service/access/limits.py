"""How often and how many at a time a key may ask."""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from service.access.keys import Key
from service.errors import RateLimited

MINUTE_S = 60.0
BUSY_RETRY_S = 1


@dataclass
class _Bucket:
    tokens: float
    at_s: float


class Limits:
    """Counts each key's requests, by its name, in this process. For one event loop; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._inside: Counter[str] = Counter()

    def enter(self, key: Key) -> None:
        """One request more, until `leave`. Raises RateLimited; what is refused does not count."""
        if key.concurrent is not None and self._inside[key.name] >= key.concurrent:
            detail = f"{key.concurrent} requests of this key are being answered, as many as it may have at a time"
            raise RateLimited(detail, retry_after_s=BUSY_RETRY_S)
        if key.per_minute is not None:
            self._take(key.name, key.per_minute)
        self._inside[key.name] += 1

    def leave(self, key: Key) -> None:
        self._inside[key.name] -= 1
        if not self._inside[key.name]:
            del self._inside[key.name]

    def _take(self, name: str, per_minute: int) -> None:
        """A token of a bucket that holds a minute's and is filled evenly."""
        now_s, per_s = self._clock(), per_minute / MINUTE_S
        bucket = self._buckets.setdefault(name, _Bucket(float(per_minute), now_s))
        filled = bucket.tokens + (now_s - bucket.at_s) * per_s
        bucket.tokens = min(float(per_minute), round(filled, 9))  # who waits as long as he was told is let in
        bucket.at_s = now_s
        if bucket.tokens < 1:
            detail = f"this key may ask {per_minute} times a minute"
            raise RateLimited(detail, retry_after_s=max(1, math.ceil((1 - bucket.tokens) / per_s)))
        bucket.tokens -= 1
