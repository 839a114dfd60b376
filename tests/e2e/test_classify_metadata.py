"""What metadata say of the classes, over HTTP."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from asking import answer_to, classify, encoded, put_dataset, scores_of, unchanging  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio
LABELS = ["cat", "dog", "rocket", "astronaut"]
PRIORS: dict[str, Any] = {
    "place": {"counts": {"sofa": {"cat": 30, "dog": 10}, "pad": {"rocket": 50, "astronaut": 1}}, "smoothing": 2},
    "month": {"probabilities": {"7": {"rocket": 0.7, "astronaut": 0.1}, "kennel": {"dog": 1.0}}},
    "indoors": {"probabilities": {"true": {"cat": 0.6}, "false": {"rocket": 0.9}}},
}
ON_THE_PAD = np.array([2, 2, 52, 3]) / 59
IN_JULY = np.array([0.1, 0.1, 0.7, 0.1])
INDOORS = np.array([0.6, 0.4 / 3, 0.4 / 3, 0.4 / 3])


@pytest.fixture(scope="session")
async def placed(client: httpx.AsyncClient) -> str:
    """A dataset with priors of both kinds."""
    await put_dataset(client, "placed", classes=LABELS, priors=PRIORS)
    return "placed"


@pytest.fixture(scope="session")
async def plain(client: httpx.AsyncClient, placed: str, altered: dict[str, bytes]) -> dict[str, Any]:
    answer: dict[str, Any] = await answer_to(client, altered["rocket-dark"], dataset=placed)
    return answer


@pytest.mark.parametrize(
    ("metadata", "weights"),
    [
        ({"place": "pad"}, ON_THE_PAD),
        ({"month": 7}, IN_JULY),
        ({"indoors": True}, INDOORS),
        ({"place": "pad", "month": "7", "indoors": True}, ON_THE_PAD * IN_JULY * INDOORS),
    ],
)
async def test_every_view_is_weighed_by_what_the_metadata_say(
    client: httpx.AsyncClient,
    placed: str,
    altered: dict[str, bytes],
    plain: dict[str, Any],
    metadata: dict[str, Any],
    weights: Any,
) -> None:
    answer = await answer_to(client, altered["rocket-dark"], dataset=placed, metadata=json.dumps(metadata))
    for view, branch in answer["branches"].items():
        weighed = scores_of(plain["branches"][view], LABELS) * weights
        assert scores_of(branch, LABELS) == pytest.approx(weighed / weighed.sum(), abs=2e-5)
    assert answer["metadata"]["used"] == {name: str(value).lower() for name, value in metadata.items()}
    assert answer["metadata"]["ignored"] == {}
    assert answer["metadata"]["without"]["label"] == plain["label"]
    assert answer["metadata"]["without"]["confidence"] == pytest.approx(plain["confidence"], abs=1e-5)


async def test_a_strong_prior_changes_the_answer_and_the_answer_says_so(
    client: httpx.AsyncClient, placed: str, photographs: dict[str, bytes]
) -> None:
    answer = await answer_to(client, photographs["chelsea"], dataset=placed, metadata='{"month": "kennel"}')
    assert (answer["label"], answer["metadata"]["without"]["label"]) == ("dog", "cat")


async def test_what_is_not_known_is_ignored_and_named(
    client: httpx.AsyncClient, placed: str, altered: dict[str, bytes], plain: dict[str, Any]
) -> None:
    metadata = {"place": "moon", "weather": "fair", "month": 7.5}
    answer = await answer_to(client, altered["rocket-dark"], dataset=placed, metadata=json.dumps(metadata))
    assert unchanging(answer, "metadata") == unchanging(plain, "metadata")
    effect = answer["metadata"]
    assert effect["used"] == {}
    assert set(effect["ignored"]) == set(metadata)
    assert "sofa, pad" in effect["ignored"]["place"]
    assert "place, month, indoors" in effect["ignored"]["weather"]


async def test_all_forms_of_a_request_carry_metadata(
    client: httpx.AsyncClient, placed: str, altered: dict[str, bytes]
) -> None:
    image, facts = altered["rocket-dark"], {"place": "pad", "month": 7}
    fields = {"dataset": placed, "metadata": json.dumps(facts), "branches": "full"}
    headers = {"content-type": "image/png"}
    body = {"image": encoded(image), "dataset": placed, "metadata": facts, "branches": "full"}
    answers = [
        await classify(client, image, **fields),
        await client.post("/classify", content=image, headers=headers, params=fields),
        await client.post("/classify", json=body),
    ]
    documents = [unchanging(answer.json()) for answer in answers]
    assert documents[0]["metadata"]["used"] == {"place": "pad", "month": "7"}
    assert documents == [documents[0]] * 3


async def test_without_metadata_nothing_is_said_of_it(plain: dict[str, Any]) -> None:
    assert plain["metadata"] is None


async def test_a_class_prior_is_taken_out_before_the_metadata_s_is_put_in(
    client: httpx.AsyncClient, altered: dict[str, bytes], plain: dict[str, Any]
) -> None:
    content = {"classes": LABELS, "priors": PRIORS, "class_prior": {"cat": 0.1, "dog": 0.1, "rocket": 0.6}}
    await put_dataset(client, "placed-unevenly", **content)
    fields = {"dataset": "placed-unevenly", "branches": "full", "metadata": '{"place": "pad"}'}
    answer = await answer_to(client, altered["rocket-dark"], **fields)
    # A class without a share in the prior keeps its own.
    weights = ON_THE_PAD / (np.array([0.1, 0.1, 0.6, 1.0]) / 0.8)
    weighed = scores_of(plain["branches"]["full"], LABELS) * np.where([True, True, True, False], weights, 1.0)
    assert scores_of(answer, LABELS) == pytest.approx(weighed / weighed.sum(), abs=2e-5)


async def test_priors_are_shown_as_they_were_given(client: httpx.AsyncClient, placed: str) -> None:
    shown = (await client.get(f"/datasets/{placed}")).json()
    assert shown["priors"] == {
        "place": {"counts": PRIORS["place"]["counts"], "smoothing": 2.0},
        "month": {"probabilities": PRIORS["month"]["probabilities"], "smoothing": 1.0},
        "indoors": {"probabilities": PRIORS["indoors"]["probabilities"], "smoothing": 1.0},
    }
    again = await client.put(f"/datasets/{placed}", json=shown)
    assert (again.status_code, again.json()) == (200, shown)


@pytest.mark.parametrize(
    ("content", "field", "word"),
    [
        ({"priors": {"place": {}}}, "priors.place", "either counts or probabilities"),
        ({"priors": {"place": {"counts": {}, "probabilities": {}}}}, "priors.place", "either"),
        ({"priors": {"place": {"counts": {}}}}, "priors.place", "1 to"),
        ({"priors": {"place": {"counts": {"sofa": {"cow": 1}}}}}, "priors.place.sofa", "'cow' is none of the classes"),
        ({"priors": {"place": {"counts": {"sofa": {"cat": -1}}}}}, "priors.place.counts.sofa.cat", "0"),
        ({"priors": {"place": {"probabilities": {"sofa": {"cat": 0.7, "dog": 0.7}}}}}, "priors.place", "more than 1"),
        ({"priors": {"place": {"counts": {"sofa": {"cat": 1}}, "smoothing": -1}}}, "priors.place.smoothing", "0"),
        ({"priors": {" ": {"counts": {"sofa": {"cat": 1}}}}}, "priors. ", "blank"),
        ({"priors": {"place": {"counts": {"sofa": {"cat": 1}}, "smooth": 1}}}, "priors.place.smooth", "not a known"),
        ({"class_prior": {"cow": 0.5}}, "class_prior", "none of the classes"),
        ({"class_prior": {"cat": 1.5}}, "class_prior", "[0, 1]"),
    ],
)
async def test_bad_priors_are_refused_naming_the_place(
    client: httpx.AsyncClient, content: dict[str, Any], field: str, word: str
) -> None:
    response = await client.post("/datasets", json={"name": "badly-placed", "classes": ["cat", "dog"], **content})
    problem = response.json()
    assert response.status_code == 422, problem
    assert [(error["field"], word in error["detail"]) for error in problem["errors"]] == [(field, True)]


@pytest.mark.parametrize("given", ["[1]", '"pad"', "{", '{"place": {"x": 1}}', '{"place": null}', "pad"])
async def test_metadata_that_are_no_plain_facts_are_refused(
    client: httpx.AsyncClient, placed: str, altered: dict[str, bytes], given: str
) -> None:
    response = await classify(client, altered["rocket-dark"], dataset=placed, metadata=given)
    assert response.status_code == 422
    assert all(error["field"].startswith("metadata") for error in response.json()["errors"])
