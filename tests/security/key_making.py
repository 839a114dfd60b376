"""Key files, clocks and callers for the tests of who may do what."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from service.access.keyfile import add_key
from service.access.keys import new_key, new_secret


class Clock:
    """Shows what it is set to, in seconds."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def made(path: Path, name: str, *scopes: str, **limits: Any) -> str:
    """The secret of a new key in the file, of both scopes unless some are given."""
    secret = new_secret()
    add_key(path, new_key(name, secret, scopes=scopes or ("classify", "manage"), **limits))
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@asynccontextmanager
async def asking(app: ASGIApp, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
        yield client
