"""The HTTP interface, from the OpenAPI document that the service gives."""

import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.app import create_app
from service.settings import Settings

INTRODUCTION = """# HTTP interface

Made of the [OpenAPI document](openapi.json), which a running service gives at `/openapi.json`, with pages to try it at
`/docs` and `/redoc`. Where the service asks for [keys](../security.md#keys), every path but the probes needs one, as
`Authorization: Bearer KEY` or `X-API-Key: KEY`; then 401, 403 and 429 are possible answers everywhere. Every refusal is
[one of these problems](errors.md).

Headers for all of them: `X-Request-ID` (letters, digits, dots, dashes and underscores, at most 128) is taken over into
the answer and the log, else one is made.
"""
METHODS = ("get", "post", "put", "delete")
HIDDEN = "For a raw image body."


@functools.cache
def openapi() -> Mapping[str, Any]:
    """Of a service with keys, with everything on."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        keys.write_text('{"keys": []}', encoding="utf-8")
        return create_app(Settings(keys_file=keys)).openapi()


def openapi_json() -> str:
    return json.dumps(openapi(), indent=1, ensure_ascii=False)


def http_page() -> str:
    parts = [INTRODUCTION]
    for path, operations in openapi()["paths"].items():
        for method in METHODS:
            if method in operations:
                parts += _operation(method, path, operations[method])
    parts += ["## Documents", ""]
    for name, schema in openapi()["components"]["schemas"].items():
        parts += _schema(name, schema)
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## {method.upper()} {path}", "", operation.get("description", "").replace("\n", " "), "")
    shown = [entry for entry in operation.get("parameters", ()) if not _is_field(entry)]
    if len(shown) < len(operation.get("parameters", ())):
        yield from ("With a raw body the fields are query parameters.", "")
    if shown:
        yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
        for entry in shown:
            yield f"| `{entry['name']}` | {entry['in']} | {_type(entry['schema'])} | {_text(entry)} |"
        yield ""
    yield from _body(operation.get("requestBody", {}).get("content", {}))
    yield from ("| answer | |", "|---|---|")
    for status, answer in sorted(operation["responses"].items()):
        document = next(iter(answer.get("content", {}).values()), {}).get("schema", {})
        yield f"| {status} | {answer.get('description', '')} {_type(document) if document else ''} |"
    yield ""


def _is_field(parameter: Mapping[str, Any]) -> bool:
    return str(parameter.get("description", "")).endswith(HIDDEN)


def _body(content: Mapping[str, Any]) -> Iterator[str]:
    """Forms of one and the same fields are shown once."""
    forms: dict[str, list[str]] = {}
    for media_type, entry in content.items():
        schema = entry["schema"]
        form = "\n\n" + "\n".join(_fields(schema)) if "properties" in schema else f" {_type(schema)}"
        forms.setdefault(form, []).append(f"`{media_type}`")
    for form, media_types in forms.items():
        yield from (f"Body, {', '.join(media_types)}:{form}", "")


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    description = str(schema.get("description", "")).replace("\n", " ")
    yield from (f"### {name}", "", description, "")
    if schema.get("properties"):
        yield from (*_fields(schema), "")


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    needed = schema.get("required", ())
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    for name, entry in schema["properties"].items():
        default = json.dumps(entry["default"], ensure_ascii=False) if entry.get("default") not in (None, {}, []) else ""
        shown = "needed" if name in needed else f"`{default}`" if default else ""
        yield f"| `{name}` | {_type(entry)} | {shown} | {_text(entry)} |"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    kinds = schema.get("anyOf") or schema.get("oneOf")
    if kinds:
        return " or ".join(dict.fromkeys(_type(kind) for kind in kinds if kind.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        return f"object of {_type(inner)}"
    return _bounded(schema)


def _bounded(schema: Mapping[str, Any]) -> str:
    kind = {"binary": "file"}.get(str(schema.get("format")), str(schema.get("type", "anything")))
    bounds = [
        f"{sign} {schema[name]:g}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if name in schema
    ]
    return f"{kind} {', '.join(bounds)}".strip()


def _text(entry: Mapping[str, Any]) -> str:
    text = str(entry.get("description", "")).replace("\n", " ").replace("|", r"\|")
    return text.replace("{}", "`{}`").replace("<", "&lt;")
