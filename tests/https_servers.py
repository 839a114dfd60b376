"""Local https servers that stand for public ones, and networks that lead to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import httpcore
import trustme

PUBLIC = "93.184.215.14"  # what tests let names resolve to
Answer = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers each request with `answer`, which gets its head; `connections` counts those that were opened, before TLS,
    `heads` are the requests that came, `left` is set when a caller has gone."""

    answer: Answer
    tls: ssl.SSLContext
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.running.add(cast(asyncio.Task[None], asyncio.current_task()))
        try:
            await writer.start_tls(self.tls)
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            await self.answer(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the caller has gone, or trusts us not
        finally:
            self.left.set()
            writer.transport.abort()


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext) -> AsyncIterator[Server]:
    server = Server(answer, tls)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        if server.running:
            await asyncio.wait(server.running)


def tls_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's, with a certificate for these names and addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A caller's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Counting(httpcore.AsyncNetworkStream):
    """Adds what is read, as it comes out of TLS, to `network.read_bytes`."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, network: "Network") -> None:
        self._stream, self._network = stream, network

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        self._network.read_bytes += len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return Counting(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._network)


class Network:
    """Names with their addresses, the next answer of a list each time they are asked for (the last one again and
    again); and the local ports that stand for the addresses. `asked` and `connected` are what was looked up and
    connected to."""

    def __init__(
        self, names: Mapping[str, Sequence[Sequence[str]]], ports: Mapping[str, int], everywhere: int | None = None
    ) -> None:
        self._names = {name: list(answers) for name, answers in names.items()}
        self._ports, self._everywhere = ports, everywhere
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.read_bytes = 0

    async def resolve(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        answers = self._names.get(name, [[]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        self.connected.append((address, port))
        local = self._ports.get(address, self._everywhere)
        if local is None:
            raise httpcore.ConnectError(f"nothing listens at {address}")
        return Counting(await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", local), self)


def response(body: bytes = b"", status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """The bytes of an answer; `length` is what it claims, by default the truth."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def sends(data: bytes) -> Answer:
    """Sends these bytes, whatever it is asked, and ends."""

    async def answer(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return answer


def hangs_after(data: bytes) -> Answer:
    """Sends these bytes and then nothing, till the caller leaves."""

    async def answer(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read()

    return answer


def repeats(head: bytes, piece: bytes, pause_s: float = 0) -> Answer:
    """Sends the head, and then the piece for as long as the caller stays."""

    async def answer(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        leaving = asyncio.gather(reader.read(), return_exceptions=True)
        writer.write(head)
        while not leaving.done():
            writer.write(piece)
            await writer.drain()
            await asyncio.wait({leaving}, timeout=pause_s)

    return answer
