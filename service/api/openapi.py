"""What the OpenAPI document says besides: of keys, by the rules that the guard keeps, of versions, and examples."""

from collections.abc import Collection
from typing import Any

from service.answer_headers import API_VERSION
from service.api.examples import problems
from service.api.route_examples import with_examples
from service.api.rules import scopes_needed
from service.settings import Settings

SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key made by `l2r2 keys new`."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same, in a header of its own.",
    },
}
ALTERNATIVES: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
NOBODY_IS_ASKED: dict[str, list[str]] = {}


def completed(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """FastAPI's document with all of that; as often as it is asked for, the same."""
    document["info"]["x-api-version"] = API_VERSION
    has_keys = settings.keys_file is not None
    asks_host = not has_keys and not settings.allow_anonymous
    return with_keys(with_examples(document), has_keys, settings.public_paths, asks_host)


def with_keys(
    document: dict[str, Any], has_keys: bool, public_paths: Collection[str], asks_host: bool = False
) -> dict[str, Any]:
    """The document, in which every route that asks for a key says so, and how it refuses. Where no keys are set, one
    may be sent all the same. `asks_host`: every route, probes too, refuses who names another host."""
    document.setdefault("components", {}).setdefault("securitySchemes", {}).update(SCHEMES)
    alternatives = ALTERNATIVES if has_keys else [*ALTERNATIVES, NOBODY_IS_ASKED]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if asks_host:
                operation["responses"].setdefault("403", problems(403)[403])
            if scopes_needed(method.upper(), path, public_paths) is None:
                continue
            operation["security"] = alternatives
            for status, answer in problems(401, 403, 429).items():
                operation["responses"].setdefault(str(status), answer)
    return document
