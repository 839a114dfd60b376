"""A running service over HTTP, as the commands see it."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from service.errors import ServiceError, ServiceUnreachable

Url = Annotated[str, typer.Option(help="Address of the service.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 120


def dataset_path(name: str) -> str:
    return f"/datasets/{quote(name, safe='')}"


class Refused(ServiceError):
    """What the service said; `reason` is its code."""

    code, title = "refused", "The service refused"

    def __init__(self, http_status: int, reason: str, detail: str) -> None:
        super().__init__(f"{http_status}: {detail}")
        self.reason = reason


def call(method: str, url: str, path: str, body: Any = None) -> Any:
    """The answer's JSON. Raises Refused with the service's own words, ServiceUnreachable where it does not answer."""
    return read(httpx.request, method, url.rstrip("/") + path, json=body, timeout=TIMEOUT_S)


def read(request: Callable[..., httpx.Response], method: str, url: str, **content: Any) -> Any:
    """As `call`, with any way of sending."""
    try:
        response = request(method, url, **content)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServiceUnreachable(f"no service answers at {url}: {error}") from None
    if response.is_error:
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        problem = response.json() if is_problem else {"code": "", "detail": response.text}
        raise Refused(response.status_code, problem["code"], problem["detail"])
    return response.json() if response.content else None
