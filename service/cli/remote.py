"""A running service over HTTP, as the commands see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from service.access.presenting import key_headers
from service.errors import ServiceError, ServiceUnreachable
from service.settings import client_key

Url = Annotated[str, typer.Option(help="Address of the service.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Key = Annotated[str | None, typer.Option(help="Key of the service; better in the variable L2R2_KEY.")]
DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 120
UNAUTHORIZED, HOW_TO_SEND_A_KEY = 401, "here by --key or the variable L2R2_KEY"


def dataset_path(name: str) -> str:
    return f"/datasets/{quote(name, safe='')}"


class Refused(ServiceError):
    """What the service said; `reason` is its code."""

    code, title = "refused", "The service refused"

    def __init__(self, http_status: int, reason: str, detail: str) -> None:
        super().__init__(f"{http_status}: {detail}")
        self.reason = reason


@dataclass(frozen=True)
class Service:
    """The service at `url`, asked with `key` or else that of the environment, if there is one."""

    url: str
    key: str | None = field(default=None, repr=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON. Raises Refused with the service's own words, ServiceUnreachable where none answers."""
        return read(httpx.request, method, self.address(path), json=body, timeout=TIMEOUT_S, headers=self.headers)

    def classify(self, image: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
        """The answer's document to a picture and fields of POST /classify. Raises as `call`."""
        content = {"files": {"image": ("picture", image)}, "data": dict(fields)}
        answer: dict[str, Any] = read(
            httpx.request, "POST", self.address("/classify"), timeout=TIMEOUT_S, headers=self.headers, **content
        )
        return answer

    def address(self, path: str) -> str:
        return self.url.rstrip("/") + path

    @property
    def headers(self) -> dict[str, str]:
        return key_headers(self.key or client_key())


def read(request: Callable[..., httpx.Response], method: str, url: str, **content: Any) -> Any:
    """As `Service.call`, with any way of sending."""
    try:
        response = request(method, url, **content)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServiceUnreachable(f"no service answers at {url}: {error}") from None
    if response.is_error:
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        problem = response.json() if is_problem else {"code": "", "detail": response.text}
        hint = f"; {HOW_TO_SEND_A_KEY}" if response.status_code == UNAUTHORIZED else ""
        raise Refused(response.status_code, problem["code"], problem["detail"] + hint)
    return response.json() if response.content else None
