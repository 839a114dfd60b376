import base64
import hashlib
import io
from collections.abc import Callable

import httpx
import pytest
from PIL import Image, ImageOps

pytestmark = pytest.mark.anyio


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def altered(data: bytes, change: Callable[[Image.Image], Image.Image]) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        change(image).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 8, height // 8, width * 7 // 8, height * 7 // 8))


async def label_of(client: httpx.AsyncClient, dataset: str, image: bytes) -> str:
    answer = await client.post("/classify", files={"image": ("a.jpg", image)}, data={"dataset": dataset})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["label"])


@pytest.fixture
def by_pictures(photographs: dict[str, bytes]) -> dict[str, object]:
    """Two classes whose names say nothing."""
    return {
        "classes": [
            {"name": "first", "images": [encoded(photographs["chelsea"])], "image_weight": 1},
            {"name": "second", "images": [encoded(photographs["coffee"])], "image_weight": 1},
        ]
    }


@pytest.mark.parametrize("change", [ImageOps.mirror, cropped, ImageOps.grayscale])
async def test_classes_given_by_pictures_alone_are_recognized_in_altered_copies(
    client: httpx.AsyncClient,
    photographs: dict[str, bytes],
    by_pictures: dict[str, object],
    change: Callable[[Image.Image], Image.Image],
) -> None:
    created = await client.put("/datasets/by-pictures", json=by_pictures)
    assert created.json()["status"] == "ready", created.text
    assert await label_of(client, "by-pictures", altered(photographs["chelsea"], change)) == "first"
    assert await label_of(client, "by-pictures", altered(photographs["coffee"], change)) == "second"


async def test_pictured_and_named_classes_stand_side_by_side(
    client: httpx.AsyncClient, photographs: dict[str, bytes]
) -> None:
    classes = [
        {"name": "our Chelsea", "images": [encoded(photographs["chelsea"])], "image_weight": 1},
        {"name": "cup of coffee", "images": [encoded(photographs["coffee"])]},
        "rocket",
        "astronaut",
    ]
    created = await client.put("/datasets/mixed", json={"classes": classes})
    assert created.json()["status"] == "ready", created.text
    expected = {"chelsea": "our Chelsea", "coffee": "cup of coffee", "rocket": "rocket", "astronaut": "astronaut"}
    for name, label in expected.items():
        assert await label_of(client, "mixed", altered(photographs[name], ImageOps.mirror)) == label


async def test_what_get_gives_may_be_put_again(
    client: httpx.AsyncClient, photographs: dict[str, bytes], by_pictures: dict[str, object]
) -> None:
    content = {**by_pictures, "localizer_prompts": ["thing"], "box_threshold": 0.1}
    created = (await client.put("/datasets/round-trip", json=content)).json()
    assert created["classes"][0] == {
        "name": "first",
        "prompts": [],
        "images": [sha256(photographs["chelsea"])],
        "image_weight": 1.0,
    }
    shown = (await client.get("/datasets/round-trip")).json()
    assert shown == created
    again = await client.put("/datasets/round-trip", json=shown)
    assert (again.status_code, again.json()) == (200, shown)

    shown["classes"][0]["image_weight"] = 0.25
    shown["classes"].append({"name": "cow", "prompts": []})
    changed = (await client.put("/datasets/round-trip", json=shown)).json()
    assert changed["classes"] == shown["classes"]
    assert changed["version"] != created["version"]


async def test_a_stored_picture_serves_another_dataset(
    client: httpx.AsyncClient, photographs: dict[str, bytes], by_pictures: dict[str, object]
) -> None:
    await client.put("/datasets/owner", json=by_pictures)
    classes = [{"name": "coffee", "images": [sha256(photographs["coffee"])]}, "rocket"]
    assert (await client.post("/datasets", json={"name": "borrower", "classes": classes})).status_code == 201
    await client.delete("/datasets/owner")
    assert await label_of(client, "borrower", photographs["coffee"]) == "coffee"


async def test_a_picture_is_the_same_however_it_is_written(
    client: httpx.AsyncClient, photographs: dict[str, bytes]
) -> None:
    data = photographs["rocket"]
    urlsafe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    versions = set()
    for text in (encoded(data), urlsafe, f"data:image/jpeg;base64,{encoded(data)}", sha256(data)):
        content = {"classes": [{"name": "rocket", "images": [text]}]}
        versions.add((await client.put("/datasets/forms", json=content)).json()["version"])
    assert len(versions) == 1


async def test_a_weight_without_pictures_means_nothing(client: httpx.AsyncClient) -> None:
    plain = (await client.put("/datasets/weights", json={"classes": ["cat"]})).json()
    weighed = {"classes": [{"name": "cat", "images": [], "image_weight": 0.9}]}
    assert (await client.put("/datasets/weights", json=weighed)).json() == plain
    assert plain["classes"] == [{"name": "cat", "prompts": []}]


def large_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (2100, 2000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("entry", "field", "word"),
    [
        ({"images": ["%"]}, "classes[1].images[0]", "not base64"),
        ({"images": ["data:image/png,abc"]}, "classes[1].images[0]", ";base64,"),
        ({"images": [""]}, "classes[1].images[0]", "empty"),
        ({"images": [encoded(b"no picture at all")]}, "classes[1].images[0]", ""),
        ({"images": [encoded(large_png())]}, "classes[1].images[0]", "pixels"),
        ({"images": ["sha256:" + "0" * 64]}, "classes[1].images[0]", "stored"),
        ({"images": ["sha256:" + "G" * 64]}, "classes[1].images[0]", "64 hexadecimal"),
        ({"images": [3]}, "classes[1].images[0]", "string"),
        ({"images": "abc"}, "classes[1].images", "list"),
        ({"images": [], "image_weight": 0}, "classes[1].image_weight", "greater than 0"),
        ({"images": [], "image_weight": 1.5}, "classes[1].image_weight", "less than or equal to 1"),
    ],
)
async def test_bad_pictures_are_refused_naming_the_class_and_the_picture(
    client: httpx.AsyncClient, entry: dict[str, object], field: str, word: str
) -> None:
    response = await client.post("/datasets", json={"name": "bad", "classes": ["a", {"name": "b", **entry}]})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_fields"), problem
    assert [(error["field"], word in error["detail"]) for error in problem["errors"]] == [(field, True)]
    assert (await client.get("/datasets/bad")).status_code == 404


async def test_every_bad_picture_is_named_at_once(client: httpx.AsyncClient, photographs: dict[str, bytes]) -> None:
    good, cut = encoded(photographs["coffee"]), encoded(photographs["coffee"][:3000])
    classes = [{"name": "a", "images": [good, cut, "%"]}, {"name": "b", "images": [cut]}]
    response = await client.post("/datasets", json={"name": "bad", "classes": classes})
    fields = [error["field"] for error in response.json()["errors"]]
    assert fields == ["classes[0].images[1]", "classes[0].images[2]", "classes[1].images[0]"]
