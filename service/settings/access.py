"""Who may use the service, and what is open without a key."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode


def _parts(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _path(value: str) -> str:
    if not value.startswith("/") or any(character in value for character in "?#* \\"):
        raise ValueError(f"{value!r} is no path that begins with /")
    return value


def _origin(value: str) -> str:
    if value != "*":
        parts = urlsplit(value)
        if not parts.scheme or not parts.netloc or parts.username or value != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{value!r} is neither * nor an origin such as https://example.org")
    return value


Paths = Annotated[tuple[Annotated[str, AfterValidator(_path)], ...], NoDecode, BeforeValidator(_parts)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_parts)]


class AccessSettings(BaseModel):
    keys_file: Path | None = Field(
        None, description="JSON file of [keys](#who-may-use-it); without it nobody is asked for one."
    )
    allow_anonymous: bool = Field(
        False, description="Listen on other addresses than this machine's own also without keys."
    )
    public_paths: Paths = Field(
        (), description="Paths, separated by commas, that may be read without a key, with what lies below them."
    )
    docs: Literal["on", "off"] = Field("on", description="`off`: no `/docs`, `/redoc` and `/openapi.json`.")
    page: Literal["on", "off"] = Field("on", description="`off`: no [page](#the-page) at `/`.")
    cors_origins: Origins = Field(
        (), description="Origins, separated by commas, whose pages a browser lets ask the service; or `*`."
    )
