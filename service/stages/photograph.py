"""A picture as it came: its pixels are decoded once, and only when they are needed."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from service.images import Decode, LargePicture, Picture, decode
from service.lines import filled_pool
from service.models.ports import Bytes
from service.stages.memory import Memory
from service.stages.options import Limits
from service.stages.pieces import Frame, FrameOf, Piece, Value
from service.stages.together import done_here_or_in, done_in
from service.telemetry import Stopwatch
from service.turns import Turns

SMALL_BYTES = 2**18  # whose digest is made in a fraction of a millisecond


class Decoding:
    """What photographs share: the memory of earlier ones, and the places for decoded ones.

    Only so many pictures are decoded as keep the models busy: the first that came are the first to be done, and the
    others wait as compressed bytes. Those that take much memory are decoded one at a time, in a thread of their own,
    and wait for it without a place, so that they fill neither the pool nor the places.

    Pictures are decoded in the `pool`; with `elsewhere`, which decodes in other processes, threads of their own wait
    for it, so that what hangs there keeps no thread from its work.
    """

    def __init__(
        self,
        memory: Memory,
        limits: Limits,
        pool: ThreadPoolExecutor,
        elsewhere: Decode | None = None,
        turn: Turns | None = None,
    ) -> None:
        """turn: the models', who are told how many pictures are at work."""
        self.memory, self.limits, self.pool, self.turn = memory, limits, pool, turn
        self.decode: Decode = elsewhere or decode
        self.own_pool = filled_pool(limits.threads, "decoding") if elsewhere else None
        self.places = asyncio.Semaphore(limits.pictures_at_once)
        self.large_turn = asyncio.Lock()
        self.large_pool = filled_pool(1, "large pictures")

    @asynccontextmanager
    async def opened(self, data: bytes, watch: Stopwatch, own: bool = False) -> AsyncIterator["Photograph"]:
        """The encoded picture, known to be one, with its frame; it holds a place from its decoding to the end. One of
        the service's `own` is new each time, and is decoded here, without a place: no stranger's can be in its way.

        Raises:
            ImageError: the bytes are no acceptable picture.
        """
        named = self.memory.is_on and not own
        small = len(data) <= SMALL_BYTES
        name = await done_here_or_in(self.pool, small, self.memory.name_of, data) if named else b""
        async with AsyncExitStack() as held:
            photo = Photograph(data, name, self, watch, held)
            if own:
                photo.take(await done_in(self.pool, decode, data, self.limits.image))
            elif photo.recall(FrameOf()) is None:
                await photo.picture()
            yield photo

    def opened_now(self, data: bytes) -> "Photograph":
        """The encoded picture, not judged yet, for callers without an event loop."""
        return Photograph(data, self.memory.name_of(data), self, Stopwatch(), AsyncExitStack())

    def close(self) -> None:
        for pool in (self.large_pool, self.own_pool):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)


class Photograph:
    """One request's picture, the `watch` that times what is done with it, and what is known of it, from this request
    and from earlier ones. `ready`: views that need no box, as the encoder takes them, by name."""

    def __init__(self, data: bytes, name: bytes, decoding: Decoding, watch: Stopwatch, held: AsyncExitStack) -> None:
        self.watch = watch
        self.ready: dict[str, Bytes] = {}
        self._data, self._name, self._decoding, self._held = data, name, decoding, held
        self._known: dict[Piece[Any], Any] = {}
        self._picture: Picture | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def frame(self) -> Frame:
        return cast(Frame, self._known[FrameOf()])

    @property
    def is_remembered(self) -> bool:
        return bool(self._name)

    def recall(self, piece: Piece[Value]) -> Value | None:
        """What is known, None where it is not; the same for the rest of the request."""
        if piece not in self._known:
            found = self._decoding.memory.recall(self._name, piece)
            if found is None:
                return None
            self._known[piece] = found
        return cast(Value, self._known[piece])

    def knows(self, piece: Piece[Any]) -> bool:
        """Whether `recall` would find it; not counted."""
        return piece in self._known or self._decoding.memory.knows(self._name, piece)

    def keep(self, piece: Piece[Value], value: Value) -> None:
        """For the rest of the request, and for others with the same picture. The value must not be changed any more."""
        self._known[piece] = value
        self._decoding.memory.keep(self._name, piece, value)

    def keep_when_done(self, piece: Piece[Value], coming: Awaitable[Value]) -> None:
        """Keep it at the end of the request, which need not wait for it earlier."""

        async def keep() -> None:
            self.keep(piece, await coming)

        self._held.push_async_callback(keep)

    async def picture(self) -> Picture:
        """Its pixels. Ask for them before anything else that others wait for too: there may be no place yet.

        Raises:
            ImageError: only for bytes that were never decoded.
        """
        async with self._one_at_a_time:
            if self._picture is None:
                try:
                    await self._decoded_in(self._decoding.own_pool or self._decoding.pool, small_only=True)
                except LargePicture:
                    async with self._decoding.large_turn:
                        await self._decoded_in(self._decoding.large_pool, small_only=False)
        return self.picture_now()

    async def _decoded_in(self, pool: ThreadPoolExecutor, small_only: bool) -> None:
        """Takes a place, and keeps it if all went well."""
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._decoding.places)
            if self._decoding.turn is not None:
                place.enter_context(self._decoding.turn.customer())
            with self.watch.stage("decode"):
                context = contextvars.copy_context()  # what is logged of the picture is to name the request
                await done_in(pool, context.run, self.picture_now, small_only)
            await self._held.enter_async_context(place.pop_all())

    def picture_now(self, small_only: bool = False) -> Picture:
        """Its pixels, for callers without an event loop. Raises ImageError, and LargePicture as `decode` does."""
        if self._picture is None:
            return self.take(self._decoding.decode(self._data, self._decoding.limits.image, small_only))
        return self._picture

    def take(self, picture: Picture) -> Picture:
        """What it was decoded to."""
        self._picture = picture
        self.keep(FrameOf(), Frame.of(picture))
        return picture
