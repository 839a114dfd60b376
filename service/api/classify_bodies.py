"""The bodies of classification requests for the OpenAPI document, which FastAPI does not read itself."""

from typing import Any

from service.api.deadlines import DEADLINE_PARAMETER
from service.api.fields import ClassifyFields
from service.images import FORMATS

BYTES = "the bytes of a picture"


def _fields() -> dict[str, Any]:
    properties: dict[str, Any] = ClassifyFields.model_json_schema()["properties"]
    return properties


def _body(name: str, file_schema: dict[str, Any], json_schema: dict[str, Any]) -> dict[str, Any]:
    several = json_schema["type"] == "array"
    url_name = "image_urls" if several else "image_url"
    url_schema = {"type": "array", "items": _URL} if several else _URL
    one_of = [{"required": [name]}, {"required": [url_name]}]
    given = {"type": ["string", "array"]}
    compared_with: list[dict[str, Any]] = [
        {"required": ["dataset"], "properties": {"dataset": given, "classes": {"type": "null"}}},
        {"required": ["classes"], "properties": {"classes": given, "dataset": {"type": "null"}}},
    ]
    one, address = "data:image/jpeg;base64,/9j/4AAQSkZJRg...", "https://example.org/photo.jpg"

    def schema(pictures: dict[str, Any]) -> dict[str, Any]:
        properties = {name: pictures, url_name: url_schema, **_fields()}
        return {"type": "object", "allOf": [{"oneOf": one_of}, {"oneOf": compared_with}], "properties": properties}

    form = {name: [BYTES] if several else BYTES}

    def example(field: str, value: str, summary: str, **others: Any) -> dict[str, Any]:
        fields = others or {"dataset": "pets"}
        return {"summary": summary, "value": {field: [value] if several else value, **fields}}

    return {
        "multipart/form-data": {"schema": schema(file_schema), "example": {**form, "dataset": "pets", "top_k": 3}},
        "application/json": {
            "schema": schema(json_schema),
            "examples": {
                "base64": example(name, one, "As base64"),
                "address": example(url_name, address, "By address, where fetching is on"),
                "classes": example(name, one, "With classes of its own", classes=["cat", "dog"], templates=["a {}"]),
            },
        },
    }


_IN_QUERY = {"dataset": "pets", "top_k": "3", "branches": "full,fg"}
_FILE = {"type": "string", "format": "binary"}
_BASE64 = {"type": "string", "description": "Base64, or a data URI."}
_URL = {"type": "string", "description": "An https address to fetch the picture from, where L2R2_FETCH_URLS is on."}
_RAW_PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{schema.get('description', '')} For a raw image body.",
        "schema": {"type": "string"},
        **({"example": _IN_QUERY[name]} if name in _IN_QUERY else {}),
    }
    for name, schema in _fields().items()
]
_RAW = {
    media_type: {"schema": _FILE, "example": BYTES}
    for media_type in (*sorted(set(FORMATS.values())), "application/octet-stream")
}

CLASSIFY_BODY: dict[str, Any] = {
    "parameters": [*_RAW_PARAMETERS, DEADLINE_PARAMETER],
    "requestBody": {"required": True, "content": {**_body("image", _FILE, _BASE64), **_RAW}},
}
_SEVERAL = _body("images", {"type": "array", "items": _FILE}, {"type": "array", "items": _BASE64})
_BATCH = {"required": True, "content": _SEVERAL}
CLASSIFY_BATCH_BODY: dict[str, Any] = {"parameters": [DEADLINE_PARAMETER], "requestBody": _BATCH}
