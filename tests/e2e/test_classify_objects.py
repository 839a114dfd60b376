"""Several objects of one picture, each with an answer of its own."""

from typing import Any

import httpx
import numpy as np
import pytest
from altered import png  # type: ignore[import-not-found]
from asking import alike, answer_to, put_dataset, refusal_of, unchanging  # type: ignore[import-not-found]
from PIL import Image

pytestmark = pytest.mark.anyio
CUP, ROCKET = (30, 60, 250, 210), (480, 20, 570, 290)  # where they stand


@pytest.fixture(scope="session")
def still_life() -> bytes:
    """A cup of coffee and a rocket, far from each other on an even ground."""
    from skimage import data

    canvas = Image.new("RGB", (640, 320), (235, 235, 235))
    for pixels, (x0, y0, x1, y1) in ((data.coffee(), CUP), (data.rocket()[60:330, 280:370], ROCKET)):
        canvas.paste(Image.fromarray(pixels).resize((x1 - x0, y1 - y0)), (x0, y0))
    return png(canvas)


def edges_of(box: dict[str, Any]) -> list[float]:
    return [box[name] for name in ("x0", "y0", "x1", "y1")]


@pytest.fixture(scope="session")
async def answer(client: httpx.AsyncClient, things: str, still_life: bytes) -> dict[str, Any]:
    found: dict[str, Any] = await answer_to(client, still_life, dataset=things, objects=5, top_k=3)
    return found


async def test_each_object_gets_its_own_box_label_and_views(answer: dict[str, Any]) -> None:
    cup, rocket = sorted(answer["objects"], key=lambda entry: entry["box"]["x0"])
    assert edges_of(cup["box"]) == pytest.approx(CUP, abs=6)
    assert edges_of(rocket["box"]) == pytest.approx(ROCKET, abs=6)
    assert (cup["label"], rocket["label"]) == ("cup of coffee", "rocket")
    for entry in (cup, rocket):
        assert set(entry["branches"]) == {"fg", "fg_mask"}
        assert entry["confidence"] == max(branch["confidence"] for branch in entry["branches"].values())
        assert (len(entry["scores"]), entry["abstained"], entry["fusion"]) == (3, False, "max_confidence")
        assert 0 < entry["presence"] < 1


async def test_the_picture_s_own_answer_is_the_same_without_objects(
    client: httpx.AsyncClient, things: str, still_life: bytes, answer: dict[str, Any]
) -> None:
    plain = await answer_to(client, still_life, dataset=things, top_k=3)
    assert plain["objects"] is None
    assert alike(unchanging(answer, "objects"), unchanging(plain, "objects"))


async def test_no_more_objects_are_given_than_were_asked_for(
    client: httpx.AsyncClient, things: str, still_life: bytes, answer: dict[str, Any]
) -> None:
    one = await answer_to(client, still_life, dataset=things, objects=1, top_k=3, branches=["full", "fg"])
    [entry] = one["objects"]
    assert entry["box"] == answer["objects"][0]["box"]
    assert set(entry["branches"]) == {"fg"}
    assert alike(entry["branches"]["fg"], answer["objects"][0]["branches"]["fg"])


async def test_an_object_is_withheld_by_itself(
    client: httpx.AsyncClient, things: str, still_life: bytes, answer: dict[str, Any]
) -> None:
    sure = {entry["confidence"] for entry in answer["objects"]}
    level = sum(sure) / 2
    limited = await answer_to(client, still_life, dataset=things, objects=2, top_k=3, abstain_below=level)
    for entry, before in zip(limited["objects"], answer["objects"], strict=True):
        assert entry["abstained"] == (before["confidence"] < level)
        assert entry["label"] == (None if entry["abstained"] else before["label"])
        assert entry["scores"][0]["label"] == before["label"]


async def test_boxes_below_the_threshold_are_no_objects(
    client: httpx.AsyncClient, things: str, still_life: bytes
) -> None:
    strict = await answer_to(client, still_life, dataset=things, objects=5, box_threshold=1, branches=["full", "fg"])
    assert (strict["objects"], strict["fallback"]) == ([], "low_score")


async def test_an_even_ground_has_no_objects(client: httpx.AsyncClient, things: str) -> None:
    ground = png(Image.fromarray(np.full((48, 64, 3), 90, np.uint8)))
    empty = await answer_to(client, ground, dataset=things, objects=5)
    assert empty["objects"] == []
    assert empty["branch"] == "full"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"objects": "51"}, "objects"),
        ({"objects": "-1"}, "objects"),
        ({"objects": "all"}, "objects"),
        ({"objects": "2", "branches": "full"}, "objects"),
        ({"objects": "2", "branches": "full,center_crop"}, "objects"),
        ({"objects": "2", "candidates": "2"}, "candidates"),
        ({"objects": "2", "cascade": "0.5"}, "cascade"),
    ],
)
async def test_wishes_that_cannot_be_met_are_refused(
    client: httpx.AsyncClient, things: str, still_life: bytes, fields: dict[str, str], named: str
) -> None:
    assert (await refusal_of(client, still_life, dataset=things, **fields))["field"] == named


async def test_a_dataset_s_cascade_leaves_objects_alone(client: httpx.AsyncClient, still_life: bytes) -> None:
    await put_dataset(client, "hasty-objects", classes=["cup of coffee", "rocket", "tree"], cascade=0)
    found = await answer_to(client, still_life, dataset="hasty-objects", objects=2, branches=["full", "fg"])
    assert (len(found["objects"]), found["cascade"]) == (2, None)
