"""A full disk over HTTP."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from asking import answer_to  # type: ignore[import-not-found]
from fastapi import FastAPI

from service.api.state import State

pytestmark = pytest.mark.anyio


@contextmanager
def no_room_for(path: Path) -> Iterator[None]:
    """The file may not grow, nor any other of this process beyond its size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_cannot_be_kept_is_refused_and_the_rest_goes_on(
    app: FastAPI, client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    state: State = app.state.service
    log = Path(state.settings.data_dir) / "l2r2.sqlite3-wal"
    content = {"name": "too-much", "classes": [f"{letter} {'x' * 90}" for letter in "abcdefgh"]}
    with no_room_for(log):
        for _ in range(200):  # a log that was written back before is filled from its start
            refused = await client.put("/datasets/too-much", json=content)
            if refused.status_code == 507:
                break
            content["classes"] = [f"{entry}y" for entry in content["classes"]]
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full"), refused.text
        assert "nothing was changed" in refused.json()["detail"]
        assert (await answer_to(client, photographs["chelsea"], dataset=things))["label"] == "cat"
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get(f"/datasets/{things}")).status_code == 200
    assert (await client.put("/datasets/too-much", json=content)).status_code in (200, 201)
    assert (await client.delete("/datasets/too-much")).status_code == 204
