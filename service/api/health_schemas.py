"""The probes' answers on the wire."""

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    reason: str | None = None


class WorkerOut(BaseModel):
    alive: bool
    waiting: int
    running_for_s: float


class LookupsOut(BaseModel):
    hits: int
    misses: int


class CacheOut(BaseModel):
    """What is known of pictures seen before: how much of it is kept, of at most `max_bytes` (0: nothing), and how often
    a picture, its boxes, its masks and its views were known when they were needed."""

    entries: int
    bytes: int
    max_bytes: int
    pictures: LookupsOut
    boxes: LookupsOut
    masks: LookupsOut
    views: LookupsOut


class HealthDetail(Health):
    version: str
    workers: dict[str, WorkerOut] = Field(default_factory=dict)
    cache: CacheOut | None = None
