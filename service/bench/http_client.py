"""Just enough of HTTP/1.1 to load a service at little cost: kept connections, answers of known length."""

import asyncio
from contextlib import suppress
from typing import Self

LINE_END = b"\r\n"


class ConnectionLost(Exception):
    """The other side closed; `answering`: in the midst of an answer."""

    def __init__(self, answering: bool) -> None:
        super().__init__("the connection was closed")
        self.answering = answering


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Raises OSError."""
        return cls(*await asyncio.open_connection(host, port))

    @property
    def usable(self) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """The answer's status and body.

        Raises:
            ConnectionLost, OSError: the other side went away. ValueError: no answer of known length.
        """
        self._writer.write(message)
        await self._writer.drain()
        try:
            head = await self._reader.readuntil(LINE_END * 2)
        except asyncio.IncompleteReadError as error:
            raise ConnectionLost(answering=bool(error.partial)) from None
        status, headers = head_of(head)
        try:
            body = await self._reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError:
            raise ConnectionLost(answering=True) from None
        except KeyError:
            raise ValueError("an answer without content-length") from None
        if headers.get("connection", "").lower() == "close":
            self._writer.close()
        return status, body

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):  # it was broken before
            await self._writer.wait_closed()


def head_of(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (names in lower case) of an answer's first lines."""
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


class Pool:
    """Connections that wait for their next request; the last used is the first to be used again."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._idle: list[Connection] = []

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """As Connection.ask, on an idle connection or a new one. A kept one may be closed just as it is used: then
        once more on a new one."""
        while self._idle:
            kept = self._idle.pop()
            if not kept.usable:
                await kept.close()
                continue
            try:
                return await self._ask(kept, message)
            except (ConnectionLost, ConnectionError) as error:
                if isinstance(error, ConnectionLost) and error.answering:
                    raise
                break
        return await self._ask(await Connection.open(*self._address), message)

    async def _ask(self, connection: Connection, message: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.ask(message)
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)
        return answer

    async def close(self) -> None:
        for connection in self._idle:
            await connection.close()
        self._idle.clear()
