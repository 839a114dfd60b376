"""Content fingerprints: the version of a dataset, and the key under which its prototypes are stored."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from service.datasets.spec import ClassEntry, DatasetSpec


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's canonical JSON: the order of keys does not matter, the order of lists does."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def version_of(spec: DatasetSpec) -> str:
    """Changes with anything that may change an answer."""
    return fingerprint(asdict(spec))


def texts_key_of(spec: DatasetSpec) -> str:
    """Changes only with the texts that are embedded, so that a new threshold costs no model time."""
    return fingerprint({"texts": [spec.texts(entry) for entry in spec.classes]})


def to_json(spec: DatasetSpec) -> str:
    return json.dumps(asdict(spec), ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> DatasetSpec:
    document: dict[str, Any] = json.loads(text)
    classes = tuple(ClassEntry(entry["name"], tuple(entry["prompts"])) for entry in document.pop("classes"))
    for name in ("templates", "localizer_prompts"):
        document[name] = tuple(document[name])
    return DatasetSpec(classes=classes, **document)
