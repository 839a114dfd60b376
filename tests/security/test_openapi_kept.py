"""Whatever a generator makes of the OpenAPI document is answered as the document says."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from light_service import CLASSES, light_service
from nasty_rows import PICTURE, saved
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error, unsupported_method
from schemathesis.specs.openapi import checks
from starlette.types import Receive, Scope, Send

from service.app import create_app
from service.settings import load_settings

KEPT = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in create_app(load_settings()).openapi()["paths"].items()
    for method in methods
]
WITHOUT_INPUT = {
    "GET /datasets", "GET /livez", "GET /readyz", "GET /startupz", "GET /healthz", "GET /models", "GET /metrics",
    "GET /v2", "GET /v2/health/live", "GET /v2/health/ready",
}  # fmt: skip
NAMES_ALONE = {
    "GET /datasets/{name}", "DELETE /datasets/{name}", "GET /datasets/{name}/versions", "GET /v2/models/{name}",
    "GET /v2/models/{name}/ready",
}  # fmt: skip
FEW, MANY = 5, 1500
NAMES_OR_TEXT = ("classes", "templates")
TOO_LATE, HURRY_MS = (503, 504), 20_000
GOOD = saved(PICTURE, "PNG")
GOOD_TEXT = base64.b64encode(GOOD).decode()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(light_service(tmp_path_factory.mktemp("openapi"))) as service,
    ):
        yield service


@pytest.fixture(scope="module")
def schema(app: FastAPI) -> Any:
    async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        """Schemathesis would begin it, and it loads real models; raising says that there is none."""
        assert scope["type"] != "lifespan"
        await app(scope, receive, send)

    return schemathesis.openapi.from_asgi("/openapi.json", without_lifespan)


def generate(strategy: st.SearchStrategy[Case], cases: int, more_checks: list[Any]) -> None:
    @settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def check(case: Case) -> None:
        answer = case.call()
        kept = KEPT[1:] if answer.status_code in TOO_LATE and in_a_hurry(case) else KEPT
        more = [] if is_good_in_a_form(case) else more_checks
        case.validate_response(answer, checks=[*kept, *more])

    check()


def in_a_hurry(case: Case) -> bool:
    """Whether the caller wants an answer in less time than a busy machine may take."""
    asked = str(case.headers.get("X-Request-Timeout-Ms", ""))
    return asked.isascii() and asked.isdigit() and int(asked) < HURRY_MS


def is_good_in_a_form(case: Case) -> bool:
    """Whether what is wrong is right as it is sent: in a form everything is text, such as the class `null`."""
    form = (case.media_type or "").startswith("multipart") and isinstance(case.body, dict)
    return form and any(name in case.body and not isinstance(case.body[name], (list, dict)) for name in NAMES_OR_TEXT)


def check_operation(schema: Any, label: str, cases: int) -> None:
    """Valid inputs, inputs that lead further than those would, and invalid ones."""
    operation = schema.find_operation_by_label(label)
    if label in WITHOUT_INPUT:
        generate(operation.as_strategy(), 1, [unsupported_method])
        return
    generate(operation.as_strategy(), cases, [unsupported_method])
    flags = st.booleans()
    generate(st.builds(leading_further, operation.as_strategy(), flags, flags), cases, [])
    if label not in NAMES_ALONE:  # any string is a name
        negative = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        generate(negative, cases, [checks.negative_data_rejection])


def leading_further(case: Case, known: bool, plain: bool) -> Case:
    """With the name of a dataset that there is and a good picture; `plain` without most of the other fields."""
    if known and case.path_parameters:
        case.path_parameters["name"] = "colours"
    if not isinstance(case.body, dict):
        return case
    if plain:
        kept = {"image", "images", "dataset", "classes", "name", "items", "version", *list(case.body)[:2]}
        case.body = {name: value for name, value in case.body.items() if name in kept}
    form = (case.media_type or "").startswith("multipart")
    good = {"image": GOOD if form else GOOD_TEXT, "images": [GOOD if form else GOOD_TEXT], "dataset": "colours"}
    if known and "classes" in case.body:
        good |= {"classes": list(CLASSES)}
    case.body |= {name: value for name, value in good.items() if name in case.body}
    return case


def register(app: FastAPI) -> None:
    """Other operations may have replaced or deleted it."""
    with start_blocking_portal() as portal:
        portal.call(_register, app)


async def _register(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.put("/datasets/colours", json={"classes": list(CLASSES)})
        assert answer.status_code in (200, 201), answer.text


@pytest.mark.parametrize("label", OPERATIONS)
def test_generated_requests_are_answered_as_documented(app: FastAPI, schema: Any, label: str) -> None:
    register(app)
    check_operation(schema, label, FEW)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("label", OPERATIONS)
def test_many_generated_requests_are_answered_as_documented(app: FastAPI, schema: Any, label: str) -> None:
    register(app)
    check_operation(schema, label, MANY)
