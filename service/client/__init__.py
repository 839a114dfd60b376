"""The service for Python: over HTTP (`Client`, `AsyncClient`), or with the models in this process (`Recognizer`).

    with Client("http://127.0.0.1:8000") as client:
        print(client.classify("cat.jpg", dataset="pets").label)

Importing this loads neither torch nor the service.
"""

from service.client.awaiting import AsyncClient
from service.client.connecting import Timeouts
from service.client.dataset_results import (
    CalibrationReport,
    ClassEntry,
    Dataset,
    DatasetSummary,
    DatasetVersion,
    MethodFigures,
    ModelInfo,
    Models,
)
from service.client.options import CalibrationOptions, ClassifyOptions, DatasetOptions
from service.client.problems import (
    ConflictError,
    ForbiddenError,
    InvalidFieldsError,
    NotFoundError,
    PictureError,
    ProblemError,
    RateLimitedError,
    TooLargeError,
    TooLateError,
    UnauthorizedError,
    UnavailableError,
)
from service.client.recognizing import Recognizer
from service.client.results import (
    Answer,
    Box,
    Branch,
    Candidate,
    Cascade,
    ImageSize,
    MetadataEffect,
    ModelNames,
    ObjectAnswer,
    Outcome,
    Score,
    Verdict,
)
from service.client.retrying import Retries
from service.client.waiting import Client
from service.errors import FieldProblem, ServiceError, ServiceUnreachable

__all__ = [
    "Answer",
    "AsyncClient",
    "Box",
    "Branch",
    "CalibrationOptions",
    "CalibrationReport",
    "Candidate",
    "Cascade",
    "ClassEntry",
    "ClassifyOptions",
    "Client",
    "ConflictError",
    "Dataset",
    "DatasetOptions",
    "DatasetSummary",
    "DatasetVersion",
    "FieldProblem",
    "ForbiddenError",
    "ImageSize",
    "InvalidFieldsError",
    "MetadataEffect",
    "MethodFigures",
    "ModelInfo",
    "ModelNames",
    "Models",
    "NotFoundError",
    "ObjectAnswer",
    "Outcome",
    "PictureError",
    "ProblemError",
    "RateLimitedError",
    "Recognizer",
    "Retries",
    "Score",
    "ServiceError",
    "ServiceUnreachable",
    "Timeouts",
    "TooLargeError",
    "TooLateError",
    "UnauthorizedError",
    "UnavailableError",
    "Verdict",
]
