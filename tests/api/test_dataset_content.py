from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter

from service.api.dataset_content import DatasetIn, DatasetPut, checked
from service.api.datasets import NewDataset, OtherContent, router
from service.api.problems import invalid_fields


def fields_of(document: Any, model: type[DatasetIn] | type[DatasetPut] = DatasetIn) -> dict[str, str]:
    """What is said of each bad field."""
    with pytest.raises(RequestValidationError) as caught:
        checked(model, document)
    return {problem.field: problem.detail for problem in invalid_fields(caught.value.errors()).problems}


@pytest.mark.parametrize(
    ("path", "method", "model"), [("/datasets", "post", DatasetIn), ("/datasets/{name}", "put", DatasetPut)]
)
def test_the_description_names_the_types_of_bodies(path: str, method: str, model: type[DatasetIn]) -> None:
    app = FastAPI()
    app.include_router(router)
    document = app.openapi()
    body = document["paths"][path][method]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{model.__name__}"}
    component = document["components"]["schemas"][model.__name__]
    assert set(component["properties"]) == set(model.model_fields)
    assert component["properties"]["priors"]["additionalProperties"] == {"$ref": "#/components/schemas/PriorIn"}
    assert "PriorIn" in document["components"]["schemas"]


@pytest.mark.parametrize("body", [NewDataset, OtherContent])
def test_a_body_is_not_checked_in_the_event_loop(body: Any) -> None:
    document = {"classes": [7]}
    assert TypeAdapter(body).validate_python(document) is document


def test_what_is_no_object_is_told_so_without_the_names_of_classes() -> None:
    words = "Input should be an object"
    assert fields_of([]) == fields_of("pets", DatasetPut) == {"body": words}
    content = {"name": "pets", "classes": ["cat", 7], "priors": {"place": 3}, "calibration": 1}
    assert fields_of(content) == {"classes[1]": words, "priors.place": words, "calibration": words}


@pytest.mark.parametrize("name", ["<name>", "<object>"])
def test_a_prior_may_be_named_like_a_step_of_the_checks(name: str) -> None:
    content = {"name": "pets", "classes": ["cat", {"name": 3}], "priors": {name: {"smoothing": -1}}}
    assert set(fields_of(content)) == {"classes[1].name", f"priors.{name}.smoothing"}


def test_an_unknown_field_is_named_whatever_its_name() -> None:
    assert fields_of({"name": "pets", "classes": [], "body": 1}) == {"body": "is not a known field"}
