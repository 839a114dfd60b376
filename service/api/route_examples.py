"""For each route an example of what is sent and of what is answered, put into the OpenAPI document as they are."""

from collections.abc import Mapping
from typing import Any

import service
from service.api.calibration import EXAMPLE
from service.api.examples import DATASET_OUT_EXAMPLE, REQUEST_ID, problem_example, recognition_example

Documents = Mapping[str, Any]  # by status
VERSION = DATASET_OUT_EXAMPLE["version"]
SUMMARY = {name: value for name, value in DATASET_OUT_EXAMPLE.items() if name in (
    "name", "status", "version", "building", "progress", "failure", "class_count", "created_at", "updated_at",
)}  # fmt: skip
BUILDING = DATASET_OUT_EXAMPLE | {"status": "building", "version": None, "building": VERSION, "progress": 0.25}
CURRENT = {
    "version": VERSION,
    "created_at": "2026-01-31T12:00:00Z",
    "current": True,
    "origin": "registered",
    "note": {},
}
WELL, UNWELL = {"status": "ok", "reason": None}, {"status": "unavailable", "reason": "models are being loaded"}
PROBE: Documents = {"200": WELL, "503": UNWELL}
WORKER = {
    "alive": True,
    "waiting": 0,
    "running_for_s": 0.0,
    "batches": 1200,
    "batch_sizes": {"1": 200, "2": 400, "4": 600},
    "items": 3400,
    "succeeded_ago_s": 0.8,
    "failures": 0,
    "out_of_memory": False,
}
LOOKED_UP = {"hits": 40, "misses": 60}
CACHE = {
    "entries": 400,
    "bytes": 2_000_000,
    "max_bytes": 33_554_432,
    **dict.fromkeys(("pictures", "boxes", "masks", "views"), LOOKED_UP),
}
DETAIL = {
    "version": service.__version__,
    "workers": {"localizer": WORKER, "encoder": WORKER, "prototype builder": WORKER, "text encoder": WORKER},
    "cache": CACHE,
    "class_lists": {"entries": 3, "bytes": 90_000, "max_bytes": 67_108_864, **LOOKED_UP},
}
MODEL = {
    "name": "u2netp",
    "family": "u2net",
    "revision": "1",
    "licence": "Apache-2.0",
    "note": "sees the object's mask",
}
MODELS = {
    "profile": "embedded",
    "device": "cpu, bfloat16, 2 threads",
    "localizer": MODEL,
    "segmenter": None,
    "encoder": MODEL | {"name": "embedded", "family": "embedded_clip", "note": "CLIP and a text projector"},
    "box_threshold": 0.3,
    "box_margin": 0.0,
    "pad_colour": "#7b7568",
    "max_body_bytes": 33_554_432,
    "usual_branches": ["full", "fg", "fg_mask"],
    "branches": {"full": "the whole picture"},
    "fusions": {"max_confidence": "the most confident branch"},
    "profiles": {"embedded": {"localizer": "u2netp", "segmenter": None, "encoder": "embedded"}},
}
CALIBRATED = {
    "name": "dogs",
    "version": "5f0c1d5f4f4f1a6b6f0d7b1f1c0de5a1a3c0e8a9c7a2b9e1d4f6a8b0c2e4f6a8",
    "base_version": VERSION,
    "current": False,
    "fusion": "scaled_average",
    "branches": ["full", "fg"],
    "abstain_by": "presence",
    "abstain_below": 0.12,
    "kept_right": 0.95,
    "answered_none": None,
    "methods": [
        {"method": "full", "accuracy_before": 0.9, "accuracy_after": 0.9, "ece_before": 0.08, "ece_after": 0.04}
    ],
    "fit_count": 50,
    "validation_count": 50,
    "refused": {"concat_fc": "needs 30 pictures of each class; there are 5"},
    "seed": 0,
}
TENSORS = {
    "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [1]},
        {"name": "confidence", "datatype": "FP32", "shape": [1]},
    ],
}
BATCH = [{"index": 0, "result": recognition_example()}, {"index": 1, "error": problem_example(415)}]

ANSWERS: Mapping[tuple[str, str], Documents] = {
    ("post", "/classify"): {"200": recognition_example()},
    ("post", "/classify/batch"): {"200": {"request_id": REQUEST_ID, "results": BATCH}},
    ("get", "/datasets"): {"200": {"datasets": [SUMMARY]}},
    ("post", "/datasets"): {"200": DATASET_OUT_EXAMPLE, "201": DATASET_OUT_EXAMPLE, "202": BUILDING},
    ("put", "/datasets/{name}"): {"200": DATASET_OUT_EXAMPLE, "201": DATASET_OUT_EXAMPLE, "202": BUILDING},
    ("get", "/datasets/{name}"): {"200": DATASET_OUT_EXAMPLE},
    ("get", "/datasets/{name}/versions"): {"200": {"versions": [CURRENT]}},
    ("put", "/datasets/{name}/current"): {"200": CURRENT},
    ("post", "/datasets/{name}/calibration"): {"201": CALIBRATED},
    **{("get", path): PROBE for path in ("/livez", "/readyz", "/startupz")},
    ("get", "/healthz"): {"200": WELL | DETAIL, "503": UNWELL | DETAIL},
    ("get", "/models"): {"200": MODELS},
    ("get", "/v2"): {"200": {"name": "L2R2", "version": service.__version__, "extensions": []}},
    ("get", "/v2/health/live"): {"200": {"live": True}, "503": {"live": False}},
    ("get", "/v2/health/ready"): {"200": {"live": True, "ready": True}, "503": {"live": True, "ready": False}},
    ("get", "/v2/models/{name}"): {"200": {"name": "pets", "versions": [VERSION], "platform": "l2r2", **TENSORS}},
    ("get", "/v2/models/{name}/ready"): {
        "200": {"name": "pets", "ready": True},
        "503": {"name": "pets", "ready": False},
    },
}
BODIES: Mapping[tuple[str, str], Any] = {
    ("put", "/datasets/{name}"): {"classes": ["cat", "dog", "rabbit"], "templates": ["A photo of a {}"]},
    ("put", "/datasets/{name}/current"): {"version": VERSION[:8]},
    ("post", "/datasets/{name}/calibration"): EXAMPLE,
}
PARAMETERS: Mapping[str, Any] = {"name": "pets"}


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the examples of the routes that it describes."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, example in ANSWERS.get((method, path), {}).items():
                operation["responses"][status]["content"]["application/json"]["example"] = example
            if (method, path) in BODIES:
                operation["requestBody"]["content"]["application/json"]["example"] = BODIES[method, path]
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["example"] = PARAMETERS[parameter["name"]]
    return document
