"""Requests that many tests send, and checks that every answer must pass."""

import base64
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from service.api.schemas import RecognitionOut

CHANGING = ("request_id", "timings_ms", "cached")


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def classify(client: httpx.AsyncClient, image: bytes, **fields: Any) -> httpx.Response:
    return await client.post("/classify", files={"image": ("photo.jpg", image, "image/jpeg")}, data=fields)


async def answer_to(client: httpx.AsyncClient, image: bytes, **fields: Any) -> dict[str, Any]:
    """The document of an answer that must come, and must be what the schema promises, no more and no less."""
    response = await classify(client, image, **fields)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert RecognitionOut.model_validate(document).model_dump(mode="json") == document
    return document


async def refusal_of(client: httpx.AsyncClient, image: bytes, **fields: Any) -> dict[str, Any]:
    """The first of the fields' problems in a refusal that must come."""
    response = await classify(client, image, **fields)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_fields"), problem
    first: dict[str, Any] = problem["errors"][0]
    return first


async def put_dataset(client: httpx.AsyncClient, name: str, **content: Any) -> dict[str, Any]:
    response = await client.put(f"/datasets/{name}", json=content)
    assert response.status_code in (200, 201), response.text
    document: dict[str, Any] = response.json()
    return document


def unchanging(answer: dict[str, Any], *besides: str) -> dict[str, Any]:
    """An answer without what differs from request to request."""
    return {name: value for name, value in answer.items() if name not in (*CHANGING, *besides)}


def scores_of(entry: dict[str, Any], labels: list[str]) -> NDArray[np.float64]:
    """The probabilities `[L]` of an answer or branch that was asked for all classes."""
    by_label = {score["label"]: score["confidence"] for score in entry["scores"]}
    return np.array([by_label[label] for label in labels])


def vectors_of(answer: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Each view's embedding."""
    return {view: np.frombuffer(base64.b64decode(text), "<f4") for view, text in answer["embeddings"].items()}


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()


def alike(found: Any, expected: Any, tolerance: float = 1e-5) -> bool:
    """Equal but for the last digits of numbers: what stands beside a view in a matrix changes how sums are rounded."""
    if isinstance(expected, dict):
        return set(found) == set(expected) and all(alike(found[name], expected[name], tolerance) for name in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(
            alike(*pair, tolerance) for pair in zip(found, expected, strict=True)
        )
    if isinstance(expected, float):
        return abs(found - expected) <= tolerance
    return bool(found == expected)
