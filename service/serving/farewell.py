"""The end of a connection whose caller may still be sending. A reset, which closing at once would be, can take from him
the answer that he has not read yet (as nginx's lingering_close; RFC 9112, section 9.6)."""

import asyncio

PAUSE_S = 2.0
MOST_S = 30.0


class Farewell:
    """Says that no more will be said, then reads and throws away what comes, until the caller closes, sends nothing for
    `pause_s`, or has taken `most_s` or `most_bytes`."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        most_bytes: int,
        pause_s: float = PAUSE_S,
        most_s: float = MOST_S,
    ) -> None:
        self._transport, self._loop, self._left_bytes, self._pause_s = transport, loop, most_bytes, pause_s
        if transport.can_write_eof():
            transport.write_eof()
        self._end = loop.call_later(most_s, transport.close)
        self._pause = loop.call_later(pause_s, transport.close)

    def received(self, count: int) -> None:
        self._left_bytes -= count
        self._pause.cancel()
        if self._left_bytes < 0:
            self._transport.close()
        else:
            self._pause = self._loop.call_later(self._pause_s, self._transport.close)

    def cancel(self) -> None:
        """When the connection is gone."""
        self._end.cancel()
        self._pause.cancel()
