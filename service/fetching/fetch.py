"""One picture by address: GET over https, redirects followed by the same rules, cut at a size and a time."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpcore

import service
from service.errors import ImageTooLarge, Overloaded
from service.fetching.metered import Metered
from service.fetching.network import Connect, PublicNetwork, Resolve, Resolver, connect_to
from service.fetching.refusals import failed
from service.fetching.urls import PORT, Url, parse_url, redirected

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A body in crumbs takes far more time than its bytes are worth; of a server that means well most pieces are larger.
FREE_PIECES, LEAST_PIECE_BYTES = 1024, 1024
FAULTS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,  # of TLS, once the connection stands
    ValueError,  # h11's, of a Content-Length of thousands of digits
)


@dataclass(frozen=True)
class FetchLimits:
    """`hosts`: the only ones to fetch from (`*.example.org`: every name below it); none means every public one."""

    timeout_s: float = 10.0
    max_bytes: int = 20 * 2**20
    redirects: int = 3
    at_once: int = 16
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.timeout_s <= 0 or min(self.max_bytes, self.at_once) < 1 or self.redirects < 0:
            raise ValueError(f"limits below what a fetch needs: {self}")


class Fetcher:
    """Fetches for strangers. Each fetch has a connection of its own; proxies, cookies and credentials of this machine
    have no part in it. Nothing of an answer but a picture's bytes leaves this class."""

    def __init__(
        self,
        limits: FetchLimits,
        resolve: Resolve | None = None,
        connect: Connect = connect_to,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits
        self._resolver = Resolver(limits.at_once)
        self._network = PublicNetwork(resolve or self._resolver, connect)
        self._tls = tls or httpcore.default_ssl_context()
        self.inside = 0

    @asynccontextmanager
    async def fetched(self, url: str) -> AsyncIterator[bytes]:
        """The bytes at `url`, for as long as they are needed: till then they count among those that are held at once.

        Raises:
            UrlRefused: the address, or one that it redirects to, is not one to fetch from.
            UrlFailed: there is no picture, or none in time.
            ImageTooLarge, Overloaded.
        """
        if self.inside >= self.limits.at_once:
            detail = f"{self.inside} pictures by address are being fetched or recognized"
            raise Overloaded(detail, retry_after_s=1, of="fetches")
        self.inside += 1
        try:
            yield await self._in_time(url)
        finally:
            self.inside -= 1

    def close(self) -> None:
        self._resolver.close()

    async def _in_time(self, url: str) -> bytes:
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                return await self._followed(parse_url(url, self.limits.hosts))
        except TimeoutError:
            raise failed(f"no picture came within {self.limits.timeout_s:g} s") from None

    async def _followed(self, url: Url) -> bytes:
        for _ in range(self.limits.redirects + 1):
            found = await self._get(url)
            if isinstance(found, bytes):
                return found
            url = found
        raise failed(f"redirects more often than the {self.limits.redirects} times that are followed")

    async def _get(self, url: Url) -> bytes | Url:
        """The picture, or where its server sends us."""
        origin = httpcore.Origin(b"https", url.host.encode(), PORT)
        connection = httpcore.AsyncHTTPConnection(origin, self._tls, network_backend=self._network)
        asked = httpcore.URL(scheme=b"https", host=url.host, port=PORT, target=url.target)
        headers: dict[bytes | str, bytes | str] = {
            "Host": url.authority,
            "User-Agent": f"l2r2/{service.__version__}",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        try:
            async with connection, connection.stream("GET", asked, headers=headers) as response:
                return await self._read(url, response)
        except FAULTS as error:
            raise failed(_reason(error)) from None

    async def _read(self, url: Url, response: httpcore.Response) -> bytes | Url:
        headers = {name.lower(): value for name, value in response.headers}
        if response.status in REDIRECTS and b"location" in headers:
            return redirected(url, headers[b"location"], self.limits.hosts)
        if response.status != 200:
            raise failed(f"its server answered with status {response.status}, not 200")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise failed("its server compressed it (Content-Encoding), unasked")
        self._check_size(int(headers.get(b"content-length", b"0")))
        stream: Metered = response.extensions["network_stream"]
        stream.allowed_bytes += 2 * self.limits.max_bytes  # with what is wrapped around each piece
        return await self._body(response)

    async def _body(self, response: httpcore.Response) -> bytes:
        body, pieces = bytearray(), 0
        async for piece in response.aiter_stream():
            body += piece
            pieces += 1
            self._check_size(len(body))
            if pieces > FREE_PIECES + len(body) // LEAST_PIECE_BYTES:
                raise failed("its server sends it in too small pieces")
        return bytes(body)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.limits.max_bytes:
            raise ImageTooLarge(f"The image at this address has more than the {self.limits.max_bytes} bytes allowed.")


def _reason(error: Exception) -> str:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return "its server's certificate is not valid for it"
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return "its server cannot be connected to"
    return "its server broke off, or did not answer in HTTP"
