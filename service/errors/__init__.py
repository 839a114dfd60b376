"""Every error that a caller may see; each knows its HTTP status and its code.

ServiceError
├── BadRequest                 400  malformed_request
│   ├── FileMissing            400  file_missing            (these six: said by the command line)
│   ├── FileUnreadable         400  file_unreadable
│   ├── OutputRefused          400  output_refused
│   ├── PackageMissing         400  package_missing
│   ├── WorkerEnded            400  worker_ended
│   └── WrongUsage             400  wrong_usage
├── InvalidFields              422  invalid_fields
│   ├── UrlRefused             422  url_refused
│   └── UrlFailed              422  url_failed
├── Unauthorized               401  unauthorized
├── Forbidden                  403  forbidden
├── RateLimited                429  rate_limited
├── RequestTimeout             408  request_timeout
├── BodyTooLarge               413  body_too_large
├── HeadTooLarge               431  head_too_large
├── ProtocolUnsupported        501  protocol_unsupported
├── UnsupportedMediaType       415  unsupported_media_type
├── ImageError
│   ├── ImageUnreadable        422  image_unreadable
│   ├── ImageTruncated         422  image_truncated
│   ├── ImageTooLarge          413  image_too_large
│   └── ImageUnsupported       415  image_unsupported
├── NotFound                   404  not_found
├── MethodNotAllowed           405  method_not_allowed
├── DatasetNotFound            404  dataset_not_found
├── DatasetVersionNotFound     404  dataset_version_not_found
├── DatasetConflict            409  dataset_conflict
├── DatasetBuilding            503  dataset_building
├── DatasetBuildFailed         409  dataset_build_failed
├── EncoderUnavailable         409  encoder_unavailable
├── NotReady                   503  not_ready
├── Overloaded                 503  overloaded
├── DeadlineExceeded           504  deadline_exceeded
├── ModelFailed                500  model_failed
├── DatabaseUnavailable        503  database_unavailable
├── DatabaseCorrupt            503  database_corrupt        (also stops the start)
├── StorageFull                507  storage_full
├── ServiceUnreachable         503  service_unreachable     (said by clients)
├── SettingsError              500  settings_invalid        (stops the start)
└── WeightsError               500  weights_error           (stops the start)
    ├── WeightsMissing         500  weights_missing
    ├── WeightsMismatch        500  weights_mismatch
    └── DownloadFailed         500  download_failed
"""

from service.errors.base import FieldProblem, ServiceError
from service.errors.datasets import (
    DatabaseCorrupt,
    DatabaseUnavailable,
    DatasetBuildFailed,
    DatasetBuilding,
    DatasetConflict,
    DatasetNotFound,
    DatasetVersionNotFound,
    EncoderUnavailable,
    StorageFull,
)
from service.errors.local import FileMissing, FileUnreadable, OutputRefused, PackageMissing, WorkerEnded, WrongUsage
from service.errors.pictures import ImageError, ImageTooLarge, ImageTruncated, ImageUnreadable, ImageUnsupported
from service.errors.requests import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    HeadTooLarge,
    InvalidFields,
    MethodNotAllowed,
    NotFound,
    ProtocolUnsupported,
    RateLimited,
    RequestTimeout,
    Unauthorized,
    UnsupportedMediaType,
    UrlFailed,
    UrlRefused,
)
from service.errors.running import (
    DeadlineExceeded,
    DownloadFailed,
    ModelFailed,
    NotReady,
    Overloaded,
    ServiceUnreachable,
    SettingsError,
    WeightsError,
    WeightsMismatch,
    WeightsMissing,
)

__all__ = [
    "BadRequest",
    "BodyTooLarge",
    "DatabaseCorrupt",
    "DatabaseUnavailable",
    "DatasetBuildFailed",
    "DatasetBuilding",
    "DatasetConflict",
    "DatasetNotFound",
    "DatasetVersionNotFound",
    "DeadlineExceeded",
    "DownloadFailed",
    "EncoderUnavailable",
    "FieldProblem",
    "FileMissing",
    "FileUnreadable",
    "Forbidden",
    "HeadTooLarge",
    "ImageError",
    "ImageTooLarge",
    "ImageTruncated",
    "ImageUnreadable",
    "ImageUnsupported",
    "InvalidFields",
    "MethodNotAllowed",
    "ModelFailed",
    "NotFound",
    "NotReady",
    "OutputRefused",
    "Overloaded",
    "PackageMissing",
    "ProtocolUnsupported",
    "RateLimited",
    "RequestTimeout",
    "ServiceError",
    "ServiceUnreachable",
    "SettingsError",
    "StorageFull",
    "Unauthorized",
    "UnsupportedMediaType",
    "UrlFailed",
    "UrlRefused",
    "WeightsError",
    "WeightsMismatch",
    "WeightsMissing",
    "WorkerEnded",
    "WrongUsage",
]
