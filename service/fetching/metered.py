"""A connection of which no more is read than was allowed."""

import ssl

import httpcore

HEAD_BYTES = 128 * 2**10  # of all answers before the last, interim ones have no other bound


class Metered(httpcore.AsyncNetworkStream):
    """`read_bytes` of `allowed_bytes` were read."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self.read_bytes, self.allowed_bytes = 0, HEAD_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises httpcore.RemoteProtocolError for more than is allowed."""
        data = await self._stream.read(max_bytes, timeout)
        self.read_bytes += len(data)
        if self.read_bytes > self.allowed_bytes:
            raise httpcore.RemoteProtocolError(f"more than {self.allowed_bytes} bytes")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:  # httpcore leaves the connection open where the wait is cancelled
            await self.aclose()
            raise

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
