"""The state of the caches on the wire."""

from pydantic import BaseModel


class LookupsOut(BaseModel):
    hits: int
    misses: int


class ListsOut(LookupsOut):
    """Classes of requests that are held ready, and how often a list was when it came."""

    entries: int
    bytes: int
    max_bytes: int


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
