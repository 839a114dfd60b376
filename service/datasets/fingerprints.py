"""Content fingerprints: the version of a dataset, and the key under which its prototypes are stored."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from service.datasets.spec import DatasetSpec

# A version covers these fields always, and later ones where they differ from their defaults: a further field changes no
# version, as long as no default ever changes.
FIRST_CLASS_FIELDS: Mapping[str, Any] = {"prompts": []}
FIRST_FIELDS: Mapping[str, Any] = {
    "templates": ["A photo of a {}"],
    "localizer_prompts": [],
    "localizer_prompt_mode": None,
    "box_threshold": None,
    "box_margin": None,
    "encoder": None,
    "fusion": "max_confidence",
}
_SPEC = TypeAdapter(DatasetSpec)


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's canonical JSON: the order of keys does not matter, the order of lists does."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def version_of(spec: DatasetSpec) -> str:
    """Changes with anything that may change an answer."""
    return fingerprint(_document(spec))


def texts_key_of(spec: DatasetSpec) -> str:
    """Changes only with what is embedded, so that a new threshold costs no model time.

    What is embedded of a picture depends on what the localizer looks for. A picture's weight is applied afterwards.
    """
    document: dict[str, Any] = {"texts": [spec.texts(entry) for entry in spec.classes]}
    pictures = {str(place): entry.pictures for place, entry in enumerate(spec.classes) if entry.pictures}
    if pictures:
        look_for = {"prompts": spec.localizer_prompts, "mode": spec.localizer_prompt_mode}
        document |= {"pictures": pictures, "look_for": look_for}
    return fingerprint(document)


def to_json(spec: DatasetSpec) -> str:
    return json.dumps(_document(spec), ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> DatasetSpec:
    return _SPEC.validate_json(text)


def _document(spec: DatasetSpec) -> dict[str, Any]:
    document: dict[str, Any] = _SPEC.dump_python(spec, mode="json", exclude_defaults=True)
    classes = [{**FIRST_CLASS_FIELDS, **entry} for entry in document["classes"]]
    return {**FIRST_FIELDS, **document, "classes": classes}
