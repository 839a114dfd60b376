"""A full disk over HTTP."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import answer_to  # type: ignore[import-not-found]
from fastapi import FastAPI

from service.api.state import State

pytestmark = pytest.mark.anyio


ROOM_BYTES = 2**19


@contextmanager
def little_room(database: Path) -> Iterator[None]:
    """No file of this process may grow beyond that; the database's log begins anew."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_cannot_be_kept_is_refused_and_the_rest_goes_on(
    app: FastAPI, client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    state: State = app.state.service
    content: dict[str, Any] = {"name": "too-much", "classes": ["cat", "dog"]}
    with little_room(Path(state.settings.data_dir) / "l2r2.sqlite3"):
        for number in range(10):
            counts = {f"{number} {value} {'x' * 50}": {"cat": 1} for value in range(3000)}
            refused = await client.put("/datasets/too-much", json=content | {"priors": {"site": {"counts": counts}}})
            if refused.status_code == 507:
                break
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full"), refused.text
        assert "nothing was changed" in refused.json()["detail"]
        assert (await answer_to(client, photographs["chelsea"], dataset=things))["label"] == "cat"
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get(f"/datasets/{things}")).status_code == 200
    assert (await client.put("/datasets/too-much", json=content)).status_code in (200, 201)
    assert (await client.delete("/datasets/too-much")).status_code == 204
