"""The one place where a host becomes an address: all those of a name are judged, and one of them is connected to."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import httpcore

from service.fetching.addresses import is_public
from service.fetching.metered import Metered
from service.fetching.refusals import refused

Resolve = Callable[[str], Awaitable[Sequence[str]]]
Connect = Callable[[str, int], Awaitable[httpcore.AsyncNetworkStream]]
# One answer for both: nobody is to learn which names a private network knows.
NOT_PUBLIC = "its host is unknown, or has an address that is not public"
log = logging.getLogger(__name__)


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses. A name is resolved once for each connection, and what was judged is what is
    connected to: a name server that answers otherwise the next time is not asked."""

    def __init__(self, resolve: Resolve, connect: Connect) -> None:
        self._resolve, self._connect = resolve, connect

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of `host`, a DNS name or an IP address, that takes one.

        Raises:
            UrlRefused: one of its addresses is not public, or there is none.
            httpcore.NetworkError, httpcore.TimeoutException.
        """
        *others, last = await self._judged(host)
        for address in others:
            try:
                return Metered(await self._connect(address, port))
            except (httpcore.NetworkError, httpcore.TimeoutException):
                continue  # a machine without IPv6, say
        return Metered(await self._connect(last, port))

    async def _judged(self, host: str) -> list[str]:
        found = [host] if _is_address(host) else await self._resolve(host)
        addresses = list(dict.fromkeys(map(ip_address, found)))
        if not addresses or not all(map(is_public, addresses)):
            log.warning("not fetched from", extra={"host": host, "addresses": [*map(str, addresses)]})
            raise refused(NOT_PUBLIC)
        return [str(address) for address in addresses]


class Resolver:
    """Every address of a name, as the system knows them; none where it knows none. In threads of its own, so that a
    slow name server holds up nobody's work but that of those who wait for it."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolving")

    async def __call__(self, name: str) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, _addresses_of, name)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


async def connect_to(address: str, port: int) -> httpcore.AsyncNetworkStream:
    return await httpcore.AnyIOBackend().connect_tcp(address, port)


def _addresses_of(name: str) -> list[str]:
    absolute = f"{name}.".encode()  # the dot keeps the search domains of a private network out
    try:
        return [str(row[4][0]) for row in socket.getaddrinfo(absolute, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
