"""Every route and every status of the OpenAPI document has an example, and it is what its schema promises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI

import service
from service.answer_headers import API_VERSION
from service.api.calibration import CalibrationIn
from service.api.dataset_content import DatasetIn, DatasetPut
from service.api.fields import ClassifyFields
from service.api.openapi import ALTERNATIVES
from service.api.rules import PROBES
from service.api.schemas import Problem
from service.api.versions import CurrentIn
from service.app import create_app
from service.settings import load_settings

pytestmark = pytest.mark.anyio
WITHOUT_BODY = {"204"}
APP = create_app(load_settings())
DOCUMENT: dict[str, Any] = APP.openapi()
OPERATIONS = [
    (method, path) for path, operations in DOCUMENT["paths"].items() for method in operations
]  # those of every route
MODELS: dict[tuple[str, str], Any] = {
    ("post", "/datasets"): DatasetIn,
    ("put", "/datasets/{name}"): DatasetPut,
    ("put", "/datasets/{name}/current"): CurrentIn,
    ("post", "/datasets/{name}/calibration"): CalibrationIn,
}


def examples_of(content: dict[str, Any]) -> list[Any]:
    """Of one media type's content, there or with its schema."""
    if "examples" in content:
        return [entry["value"] for entry in content["examples"].values()]
    return [content["example"]] if "example" in content else []


def check(schema: dict[str, Any], example: Any) -> None:
    jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]}).validate(example)


def operation_of(method: str, path: str) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][path][method]
    return operation


def answers() -> Iterator[Any]:
    for method, path in OPERATIONS:
        for status in operation_of(method, path)["responses"]:
            yield pytest.param(method, path, status, id=f"{method} {path} {status}")


@pytest.mark.parametrize(("method", "path", "status"), list(answers()))
def test_every_answer_has_an_example_of_its_shape(method: str, path: str, status: str) -> None:
    answer = operation_of(method, path)["responses"][status]
    assert answer["description"]
    if status in WITHOUT_BODY:
        assert "content" not in answer
        return
    assert answer["content"]
    for media_type, content in answer["content"].items():
        found = examples_of(content)
        assert found, media_type
        for example in found:
            check(content["schema"], example)
            if media_type == "application/problem+json":
                assert Problem.model_validate(example).status == int(status)
                assert example["code"] in example["type"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_request_has_an_example(method: str, path: str) -> None:
    operation = operation_of(method, path)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" or parameter.get("required") or "example" in parameter:
            check(parameter["schema"], parameter["example"])
    for media_type, content in operation.get("requestBody", {"content": {}})["content"].items():
        found = examples_of(content)
        assert found, media_type
        for example in found:
            check(content["schema"], example)
            if (method, path) in MODELS:
                MODELS[method, path].model_validate(example)
            elif isinstance(example, dict):
                own = {name: value for name, value in example.items() if not name.startswith("image")}
                ClassifyFields.model_validate(own).options(10)


def test_an_example_that_is_not_of_its_shape_would_be_found() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        check({"$ref": "#/components/schemas/RecognitionOut"}, {"label": "cat"})


@pytest.mark.parametrize("settings", [{}, {"allow_anonymous": True}, {"keys_file": True}])
async def test_probes_list_a_refusal_where_they_can_give_it(tmp_path: Path, settings: dict[str, Any]) -> None:
    """By the name in `Host`, which counts where neither keys nor a word let strangers in."""
    if "keys_file" in settings:
        (tmp_path / "keys.json").write_text('{"keys": []}')
        settings = {"keys_file": tmp_path / "keys.json"}
    app: FastAPI = create_app(load_settings(data_dir=tmp_path, **settings))
    document = app.openapi()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for probe in PROBES:
            operation = document["paths"][probe]["get"]
            refused = (await client.get(probe, headers={"Host": "evil.example"})).status_code == 403
            assert ("403" in operation["responses"]) is refused is (settings == {}), probe
            assert operation.get("security") not in (ALTERNATIVES, [*ALTERNATIVES, {}])


async def test_clients_see_the_version_of_the_api(tmp_path: Path) -> None:
    app = create_app(load_settings(data_dir=tmp_path))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        document = (await client.get("/openapi.json")).json()
        assert (document["info"]["version"], document["info"]["x-api-version"]) == (service.__version__, API_VERSION)
        for path in ("/livez", "/models", "/nothing"):
            assert (await client.get(path)).headers["x-api-version"] == API_VERSION
