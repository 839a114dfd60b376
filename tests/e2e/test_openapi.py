"""The OpenAPI document names everything that may be asked for, and its examples are what they stand for."""

from dataclasses import fields
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api.calibration import CalibrationIn
from service.api.dataset_content import DatasetIn
from service.api.dataset_schemas import DatasetOut
from service.api.examples import DATASET_OUT_EXAMPLE, recognition_example
from service.api.fields import ClassifyFields
from service.api.schemas import RecognitionOut
from service.calibration.options import TEMPERATURE_KINDS
from service.datasets.spec import DatasetSpec
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.candidates import CANDIDATE_FUSIONS
from service.recognition.fusion import FUSIONS
from service.recognition.views import DEFAULT_BRANCHES, VIEWS
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PROBES = ("/livez", "/readyz", "/startupz", "/healthz", "/v2/health/live", "/v2/health/ready")
ROUTES = {
    ("post", "/classify"), ("post", "/classify/batch"), ("post", "/datasets"), ("get", "/datasets"),
    ("get", "/datasets/{name}"), ("put", "/datasets/{name}"), ("delete", "/datasets/{name}"),
    ("get", "/datasets/{name}/versions"), ("put", "/datasets/{name}/current"),
    ("post", "/datasets/{name}/calibration"),
    ("get", "/models"), ("get", "/metrics"), *(("get", probe) for probe in PROBES),
    ("get", "/v2"), ("get", "/v2/models/{name}"), ("get", "/v2/models/{name}/ready"),
}  # fmt: skip
READINESS = ("/v2/models/{name}/ready", "503")  # says it of a dataset, in the protocol's words
NAMES = {
    "branches": VIEWS,
    "fusion": FUSIONS,
    "candidate_fusion": CANDIDATE_FUSIONS,
    "abstain_by": ABSTAIN_BY,
    "cascade_first": DEFAULT_BRANCHES,
    "temperatures": TEMPERATURE_KINDS,
}


@pytest.fixture(scope="session")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def schema_of(document: dict[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    """Of a JSON body."""
    schema: dict[str, Any] = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    return document["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def check_names(properties: dict[str, Any]) -> None:
    """Whether each field's description lists what it may hold."""
    for field in set(properties) & set(NAMES):
        listed = properties[field]["description"]
        assert all(name in listed for name in NAMES[field]), field


async def test_every_route_is_described_with_its_errors(document: dict[str, Any], client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json() == document
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == ROUTES
    for method, path in ROUTES:
        operation = document["paths"][path][method]
        assert operation["description"]
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path not in PROBES:
                assert answer["content"]["application/problem+json"]["example"]["status"] == int(status)
                says_ready = {"application/json"} if (path, status) == READINESS else set()
                assert set(answer["content"]) == {"application/problem+json"} | says_ready


@pytest.mark.parametrize(
    ("path", "name", "url_name"), [("/classify", "image", "image_url"), ("/classify/batch", "images", "image_urls")]
)
async def test_every_option_of_a_request_is_there_in_every_form(
    document: dict[str, Any], path: str, name: str, url_name: str
) -> None:
    asked = {"dataset", "dataset_version", "classes", "templates", *(field.name for field in fields(Options))}
    operation = document["paths"][path]["post"]
    content = operation["requestBody"]["content"]
    for media_type in ("multipart/form-data", "application/json"):
        properties = content[media_type]["schema"]["properties"]
        assert set(properties) == asked | {name, url_name}
        check_names(properties)
        assert all(properties[field]["description"] for field in asked)
    if path == "/classify":
        assert {"image/jpeg", "image/png", "image/webp", "application/octet-stream"} <= set(content)
        in_query = {parameter["name"]: parameter for parameter in operation["parameters"] if parameter["in"] == "query"}
        assert set(in_query) == asked
        check_names(in_query)
    assert "X-Request-Timeout-Ms" in {parameter["name"] for parameter in operation["parameters"]}


@pytest.mark.parametrize(("path", "method"), [("/datasets", "post"), ("/datasets/{name}", "put")])
async def test_every_part_of_a_dataset_is_there(document: dict[str, Any], path: str, method: str) -> None:
    properties = schema_of(document, path, method)["properties"]
    assert set(properties) == {"name", *(field.name for field in fields(DatasetSpec))}
    check_names(properties)
    shown = document["components"]["schemas"]["DatasetOut"]["properties"]
    assert set(properties) <= set(shown)


async def test_a_calibration_names_its_choices(document: dict[str, Any]) -> None:
    properties = schema_of(document, "/datasets/{name}/calibration")["properties"]
    assert "best" in properties["fusion"]["description"]
    check_names(properties)


async def test_examples_are_what_they_stand_for(document: dict[str, Any]) -> None:
    def shown(path: str, status: str) -> dict[str, Any]:
        answer: dict[str, Any] = document["paths"][path]["post"]["responses"][status]["content"]["application/json"]
        example: dict[str, Any] = answer["example"]
        return example

    for example, model, published in (
        (recognition_example(), RecognitionOut, shown("/classify", "200")),
        (DATASET_OUT_EXAMPLE, DatasetOut, shown("/datasets", "201")),
    ):
        assert set(example) == set(model.model_fields)
        assert model.model_validate(example).model_dump(mode="json", exclude_unset=True) == example
        assert published == example
    CalibrationIn.model_validate(schema_of(document, "/datasets/{name}/calibration")["example"])
    bodies = document["paths"]["/datasets"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for body in bodies.values():
        DatasetIn.model_validate(body["value"])
    for path in ("/classify", "/classify/batch"):
        bodies = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert len(bodies) == 3  # the picture itself, or its address; classes of its own
        for body in bodies.values():
            fields_alone = {name: value for name, value in body["value"].items() if not name.startswith("image")}
            assert len(fields_alone) == len(body["value"]) - 1
            ClassifyFields.model_validate(fields_alone).options(10)
