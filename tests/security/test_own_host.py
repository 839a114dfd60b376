"""Without keys no foreign page reaches a service on this machine by a name that it made lead here."""

from pathlib import Path

import httpx
import pytest
from key_making import made  # type: ignore[import-not-found]

from service.app import create_app
from service.settings import Settings, load_settings

pytestmark = pytest.mark.anyio


async def answered(settings: Settings, host: str, server: str = "127.0.0.1:8000") -> httpx.Response:
    """What is said to who names `host` and comes to the address `server`."""
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{server}") as client:
        return await client.get("/models", headers={"Host": host})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "127.0.0.2", "[::1]:8000"])
async def test_this_machines_own_names_are_answered(tmp_path: Path, host: str) -> None:
    assert (await answered(load_settings(data_dir=tmp_path), host)).status_code == 503


@pytest.mark.parametrize("server", ["127.0.0.1:8000", "[::1]:8000", "localhost"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "localhost@evil.example", "127.0.0.1.evil.example",
     "10.0.0.1", "", ":8000", "[::1", "evil.example@", "\x1b[2J"],
)  # fmt: skip
async def test_other_names_are_refused(tmp_path: Path, host: str, server: str) -> None:
    refused = await answered(load_settings(data_dir=tmp_path), host, server)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "L2R2_ALLOW_ANONYMOUS=true" in refused.json()["detail"]


async def test_names_are_free_where_keys_or_a_word_let_in(tmp_path: Path) -> None:
    made(tmp_path / "keys.json", "one")
    anybody = load_settings(data_dir=tmp_path, allow_anonymous=True)
    assert (await answered(anybody, "shop.example")).status_code == 503
    keyed = load_settings(data_dir=tmp_path, keys_file=tmp_path / "keys.json")
    assert (await answered(keyed, "shop.example")).status_code == 401
