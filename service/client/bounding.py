"""An answer that comes piece by piece, each of them in time, and is over in time as well."""

from collections.abc import AsyncIterator, Iterator

import httpx

from service.client.retrying import Attempts

LATE = "the answer was still coming at the deadline"


class Bounded(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Raises httpx.ReadTimeout for a piece that comes after the deadline."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, attempts: Attempts) -> None:
        self._stream, self._attempts = stream, attempts

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx.SyncByteStream)
        for piece in self._stream:
            self._check()
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for piece in self._stream:
            self._check()
            yield piece

    def close(self) -> None:
        if isinstance(self._stream, httpx.SyncByteStream):
            self._stream.close()

    async def aclose(self) -> None:
        if isinstance(self._stream, httpx.AsyncByteStream):
            await self._stream.aclose()

    def _check(self) -> None:
        if self._attempts.left_s <= 0:
            raise httpx.ReadTimeout(LATE)
