"""Examples for the OpenAPI document."""

from typing import Any

from service.api.problems import MEDIA_TYPE, problem_of
from service.errors import (
    BadRequest,
    BodyTooLarge,
    DatasetConflict,
    DatasetNotFound,
    DeadlineExceeded,
    FieldProblem,
    Forbidden,
    InvalidFields,
    ModelFailed,
    Overloaded,
    RateLimited,
    RequestTimeout,
    ServiceError,
    StorageFull,
    Unauthorized,
    UnsupportedMediaType,
)

PROBLEM = "#/components/schemas/Problem"
REQUEST_ID = "0f8fad5bd9cb469fa16570867728950e"
_TITLES = {
    400: "The request cannot be parsed",
    401: "A valid key is needed",
    403: "The key's scopes do not allow this",
    404: "There is no such dataset",
    408: "The body did not arrive in time",
    409: "The dataset exists with other content, could not be built, or wants another encoder",
    413: "The body or the picture is too large",
    415: "The content type or the image format is not supported",
    422: "A field is invalid, or the image cannot be read",
    429: "The key's limit is reached; see Retry-After",
    500: "A model failed on this input",
    503: "Not ready, building or overloaded; see Retry-After",
    504: "The request took too long",
    507: "There is no room to keep it; nothing was changed",
}
_SAID: dict[int, ServiceError] = {
    400: BadRequest("the body is not valid JSON"),
    401: Unauthorized("a key is needed here; send one as `Authorization: Bearer KEY` or `X-API-Key: KEY`"),
    403: Forbidden("this needs a key of the scope manage; this one's: classify"),
    404: DatasetNotFound("no dataset is named 'pets'; register it by POST /datasets"),
    408: RequestTimeout("the body did not arrive within 30 s"),
    409: DatasetConflict("'pets' exists with other content; PUT /datasets/pets replaces it"),
    413: BodyTooLarge("the body has 50000000 bytes; at most 33554432"),
    415: UnsupportedMediaType("text/plain is not accepted; send JSON"),
    422: InvalidFields(FieldProblem("fusion", "'best' is not known", ("max_confidence", "average"))),
    429: RateLimited("the key may ask 600 times a minute", retry_after_s=1),
    500: ModelFailed("the encoder failed on this input"),
    503: Overloaded("an answer would take 12.5 s, and has to come within 10.0 s", retry_after_s=3),
    504: DeadlineExceeded("no answer within 60 s"),
    507: StorageFull("nothing was kept: the disk is full"),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for these statuses, as problem+json with an example each."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}, "example": problem_example(status)}},
        }
        for status in statuses
    }


def problem_example(status: int) -> dict[str, Any]:
    return problem_of(_SAID[status]) | {"request_id": REQUEST_ID}


def recognition_example() -> dict[str, Any]:
    beagle = {"label": "beagle", "confidence": 0.93}
    dingo = {"label": "dingo", "confidence": 0.51}
    return {
        "request_id": REQUEST_ID,
        "dataset": "dogs",
        "dataset_version": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
        **beagle,
        "abstained": False,
        "presence": 0.19,
        "branch": "fg",
        "fusion": "max_confidence",
        "reason": "fg is surer: 0.9300 against 0.5100 of full",
        "fallback": None,
        "box": {"x0": 12.0, "y0": 40.0, "x1": 300.0, "y1": 420.0, "score": 0.71, "prompt": "dog"},
        "scores": [beagle],
        "branches": {"full": {**dingo, "scores": [dingo]}, "fg": {**beagle, "scores": [beagle]}},
        "image": {"width": 640, "height": 480},
        **dict.fromkeys(("metadata", "cascade", "objects", "candidates", "embeddings")),
        "cached": False,
        "models": {"localizer": "grounding-dino-tiny", "encoder": "siglip2-so400m"},
        "timings_ms": {"decode": 4.1, "locate": 38.2, "views": 3.9, "embed": 21.7, "score": 0.2, "total": 68.4},
    }


DATASET_EXAMPLES: dict[str, Any] = {
    "names": {"summary": "Names alone", "value": {"name": "pets", "classes": ["cat", "dog", "rabbit"]}},
    "full": {
        "summary": "Own prompts, templates and localizer prompts",
        "value": {
            "name": "dogs",
            "classes": ["beagle", {"name": "dingo", "prompts": ["a wild dingo in the outback"]}],
            "templates": ["A photo of a {}", "A close-up of a {}, a breed of dog"],
            "localizer_prompts": ["dog"],
            "box_threshold": 0.3,
        },
    },
    "answering": {
        "summary": "How the views answer, what metadata say, and when no class is answered",
        "value": {
            "name": "mushrooms",
            "classes": ["fly agaric", "penny bun", "chanterelle"],
            "branches": ["full", "fg", "fg_margin"],
            "fusion": "scaled_average",
            "priors": {"habitat": {"counts": {"birch forest": {"fly agaric": 90, "penny bun": 35, "chanterelle": 8}}}},
            "cascade": 0.98,
            "abstain_below": 0.4,
        },
    },
}
DATASET_OUT_EXAMPLE: dict[str, Any] = {
    "name": "pets",
    "status": "ready",
    "version": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
    "building": None,
    "progress": 1.0,
    "failure": None,
    "class_count": 3,
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "classes": [{"name": name, "prompts": []} for name in ("cat", "dog", "rabbit")],
    "templates": ["A photo of a {}"],
    "localizer_prompts": [],
    "localizer_prompt_mode": None,
    "box_threshold": None,
    "box_margin": None,
    "encoder": None,
    "fusion": "max_confidence",
    **dict.fromkeys(("branches", "wide_margin", "blur", "class_prior", "cascade", "abstain_below", "calibration")),
    "pad_colour": "mean",
    "priors": {},
    "cascade_first": "full",
    "abstain_by": "confidence",
}
