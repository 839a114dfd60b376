"""What the OpenAPI document says of keys, by the rules that the guard keeps."""

from collections.abc import Collection
from typing import Any

from service.api.examples import problems
from service.api.rules import scopes_needed

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


def with_keys(document: dict[str, Any], has_keys: bool, public_paths: Collection[str]) -> dict[str, Any]:
    """The document, in which every route that asks for a key says so, and how it refuses. Where no keys are set, one
    may be sent all the same."""
    document.setdefault("components", {}).setdefault("securitySchemes", {}).update(SCHEMES)
    alternatives = ALTERNATIVES if has_keys else [*ALTERNATIVES, NOBODY_IS_ASKED]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if scopes_needed(method.upper(), path, public_paths) is None:
                continue
            operation["security"] = alternatives
            for status, answer in problems(401, 403, 429).items():
                operation["responses"].setdefault(str(status), answer)
    return document
