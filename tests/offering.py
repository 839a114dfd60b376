"""Requests at a given rate, whether they are answered or not: as many callers, who do not wait for each other."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle


@dataclass(frozen=True)
class Outcome:
    """status: 0 where the connection ended without an answer. sent_s: since the first was due."""

    status: int
    sent_s: float
    took_s: float
    retry_after_s: int | None


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Offering:
    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._port, self._requests = port, cycle(requests)
        self._idle: list[Stream] = []

    async def offer(self, rate_per_s: float, seconds: float) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        start_s, tasks = loop.time(), []
        for number in range(int(rate_per_s * seconds)):
            await asyncio.sleep(max(0.0, start_s + number / rate_per_s - loop.time()))
            tasks.append(asyncio.ensure_future(self.ask(start_s)))
        return list(await asyncio.gather(*tasks))

    async def ask(self, start_s: float = 0.0) -> Outcome:
        stream = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = stream
        sent_s = time.monotonic()
        try:
            writer.write(next(self._requests))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            await reader.readexactly(int(fields["content-length"]))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return Outcome(0, sent_s - start_s, time.monotonic() - sent_s, None)
        took_s = time.monotonic() - sent_s
        self._idle.append(stream)
        retry_after = fields.get("retry-after")
        return Outcome(
            int(head.split()[1]), sent_s - start_s, took_s, None if retry_after is None else int(retry_after)
        )

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def picture_request(picture: bytes, dataset: str, timeout_ms: int) -> bytes:
    head = (
        f"POST /classify?dataset={dataset}&top_k=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"X-Request-Timeout-Ms: {timeout_ms}\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    return head.encode() + picture


def quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
