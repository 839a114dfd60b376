"""Cascades over HTTP: one view is asked first, and the others only where it is not sure."""

from typing import Any

import httpx
import pytest
from asking import alike, answer_to, put_dataset, refusal_of, unchanging  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio
PICTURE = "rocket-dark"  # whose crop is less sure than the whole


@pytest.fixture(scope="session")
async def whole(client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]) -> dict[str, Any]:
    """The same without a cascade."""
    found: dict[str, Any] = await answer_to(client, altered[PICTURE], dataset=rivals)
    return found


async def test_a_sure_full_picture_answers_alone_and_no_box_is_looked_for(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], whole: dict[str, Any]
) -> None:
    sure = whole["branches"]["full"]["confidence"]
    answer = await answer_to(client, altered[PICTURE], dataset=rivals, cascade=sure - 0.01)
    assert answer["cascade"] == {"first": "full", "confidence": answer["confidence"], "stopped": True}
    assert answer["confidence"] == pytest.approx(sure, abs=1e-5)
    assert {view for view, branch in answer["branches"].items() if branch} == {"full"}
    assert set(answer["branches"]) == {"full", "fg", "fg_mask"}
    assert (answer["box"], answer["fallback"], answer["label"]) == (None, None, "rocket")
    assert "locate" not in answer["timings_ms"]


async def test_where_the_first_view_is_not_sure_all_are_asked(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], whole: dict[str, Any]
) -> None:
    sure = whole["branches"]["full"]["confidence"]
    answer = await answer_to(client, altered[PICTURE], dataset=rivals, cascade=sure + 0.01)
    assert (answer["cascade"]["first"], answer["cascade"]["stopped"]) == ("full", False)
    assert answer["cascade"]["confidence"] == pytest.approx(sure, abs=1e-5)
    assert alike(unchanging(answer, "cascade"), unchanging(whole, "cascade"))


async def test_the_crop_may_be_asked_first(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], whole: dict[str, Any]
) -> None:
    fields = {"dataset": rivals, "cascade_first": "fg"}
    answer = await answer_to(client, altered[PICTURE], cascade=0.1, **fields)
    assert (answer["cascade"]["first"], answer["cascade"]["stopped"]) == ("fg", True)
    assert {view for view, branch in answer["branches"].items() if branch} == {"fg"}
    fg, full = whole["branches"]["fg"], whole["branches"]["full"]
    assert answer["confidence"] == pytest.approx(fg["confidence"], abs=1e-5)
    assert answer["confidence"] != pytest.approx(full["confidence"], abs=1e-3)
    assert (answer["label"], answer["branch"], answer["fallback"]) == (fg["label"], "fg", None)
    assert answer["box"] == whole["box"]
    unsure = await answer_to(client, altered[PICTURE], cascade=1, **fields)
    assert alike(unchanging(unsure, "cascade"), unchanging(whole, "cascade"))


async def test_where_nothing_is_found_the_full_picture_answers_for_a_crop_asked_first(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    fields = {"dataset": rivals, "cascade": 0, "cascade_first": "fg"}
    answer = await answer_to(client, altered["rocket-soft"], **fields)
    assert (answer["fallback"], answer["branch"], answer["cascade"]) == ("low_score", "full", None)


async def test_a_dataset_s_cascade_is_used_where_the_request_has_none(
    client: httpx.AsyncClient, altered: dict[str, bytes]
) -> None:
    shown = await put_dataset(client, "hasty", classes=["rocket", "tower"], cascade=0.0, cascade_first="fg")
    assert (shown["cascade"], shown["cascade_first"]) == (0.0, "fg")
    own = await answer_to(client, altered[PICTURE], dataset="hasty")
    asked = await answer_to(client, altered[PICTURE], dataset="hasty", cascade_first="full", cascade=0.1)
    assert (own["cascade"]["first"], asked["cascade"]["first"]) == ("fg", "full")
    assert own["cascade"]["stopped"]
    assert asked["cascade"]["stopped"]


async def test_without_a_cascade_nothing_is_said_of_it(whole: dict[str, Any]) -> None:
    assert whole["cascade"] is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"cascade": "1.5"}, "cascade"),
        ({"cascade": "nan"}, "cascade"),
        ({"cascade": "0.5", "cascade_first": "fg_mask"}, "cascade_first"),
        ({"cascade_first": "middle"}, "cascade_first"),
    ],
)
async def test_bad_cascades_are_refused(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], fields: dict[str, str], named: str
) -> None:
    assert (await refusal_of(client, altered[PICTURE], dataset=rivals, **fields))["field"] == named
    content = {name: float(value) if name == "cascade" else value for name, value in fields.items() if value != "nan"}
    refused = await client.post("/datasets", json={"name": "bad-cascade", "classes": ["a"], **content})
    assert (refused.status_code == 422) == bool(content), refused.text
    assert refused.status_code in (201, 422)
    await client.delete("/datasets/bad-cascade")
