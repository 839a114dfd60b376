"""Bytes that are nobody's request get a clear refusal, whatever they claim to be."""

import random

import httpx
import pytest

pytestmark = pytest.mark.anyio

REFUSALS = {400, 404, 413, 415, 422}
TYPES = (
    "image/jpeg",
    "image/png",
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/octet-stream",
    "text/plain",
    "",
)


def noise(chance: random.Random, photograph: bytes) -> bytes:
    """Random bytes, a damaged photograph, or a form or a JSON object with damage in it."""
    length = chance.randrange(0, 300)
    garbage = chance.randbytes(length)
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + garbage + b"\r\n--x--\r\n"
    document = b'{"dataset": "things", "image": "' + garbage.hex().encode() + b'"}'
    cut = bytearray(photograph[: chance.randrange(1, len(photograph) // 2)])
    for _ in range(5):
        cut[chance.randrange(len(cut))] = chance.randrange(256)
    whole = chance.choice([garbage, form, document, bytes(cut)])
    return whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.3 else whole


@pytest.mark.parametrize("seed", range(8))
async def test_noise_is_refused_with_a_problem_document(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        content_type = chance.choice(TYPES)
        headers = {"content-type": content_type} if content_type else {}
        path = chance.choice(["/classify", "/classify/batch", "/datasets"])
        body = noise(chance, photographs["chelsea"])
        response = await client.post(path, content=body, headers=headers, params={"dataset": things})
        assert response.status_code in REFUSALS, (path, content_type, body[:80], response.text)
        assert response.json()["status"] == response.status_code
