"""Every error that a caller may see; each knows its HTTP status and its code.

ServiceError
├── BadRequest                 400  malformed_request
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
├── ServiceUnreachable         503  service_unreachable     (said by the command line)
├── SettingsError              500  settings_invalid        (stops the start)
└── WeightsError               500  weights_error           (stops the start)
    ├── WeightsMissing         500  weights_missing
    ├── WeightsMismatch        500  weights_mismatch
    └── DownloadFailed         500  download_failed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldProblem:
    """One bad field: where it is (`classes[3].name`), what is wrong, and what would be right (if it can be listed)."""

    field: str
    detail: str
    allowed: tuple[str, ...] | None = None


class ServiceError(Exception):
    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def problems(self) -> Sequence[FieldProblem]:
        return ()


class BadRequest(ServiceError):
    status, code, title = 400, "malformed_request", "The request cannot be parsed"


class InvalidFields(ServiceError):
    """One or more fields hold a value that is not allowed."""

    status, code, title = 422, "invalid_fields", "A field is invalid"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.detail}" for problem in problems))
        self._problems = problems

    @property
    def problems(self) -> Sequence[FieldProblem]:
        return self._problems


class UrlRefused(InvalidFields):
    code, title = "url_refused", "Nothing is fetched from this address"


class UrlFailed(InvalidFields):
    code, title = "url_failed", "The picture could not be fetched"


class Unauthorized(ServiceError):
    status, code, title = 401, "unauthorized", "A valid key is needed"


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "This is not allowed"


class RateLimited(ServiceError):
    status, code, title = 429, "rate_limited", "The key's limit is reached"


class BodyTooLarge(ServiceError):
    status, code, title = 413, "body_too_large", "The request body is too large"


class RequestTimeout(ServiceError):
    status, code, title = 408, "request_timeout", "The request did not arrive in time"


class HeadTooLarge(ServiceError):
    status, code, title = 431, "head_too_large", "The request head is too large"


class ProtocolUnsupported(ServiceError):
    status, code, title = 501, "protocol_unsupported", "The version of HTTP or the transfer coding is not spoken here"


class UnsupportedMediaType(ServiceError):
    status, code, title = 415, "unsupported_media_type", "The content type is not supported"


class ImageError(ServiceError):
    """The bytes were judged and no picture was made of them."""

    status, code, title = 422, "image_unreadable", "The image cannot be read"


class ImageUnreadable(ImageError):
    pass


class ImageTruncated(ImageError):
    code, title = "image_truncated", "The image is cut short"


class ImageTooLarge(ImageError):
    status, code, title = 413, "image_too_large", "The image is too large"


class ImageUnsupported(ImageError):
    status, code, title = 415, "image_unsupported", "The image format is not supported"


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "There is nothing at this address"


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "The method is not allowed here"


class DatasetNotFound(ServiceError):
    status, code, title = 404, "dataset_not_found", "There is no such dataset"


class DatasetVersionNotFound(ServiceError):
    status, code, title = 404, "dataset_version_not_found", "The dataset has no such version"


class DatasetConflict(ServiceError):
    status, code, title = 409, "dataset_conflict", "The dataset exists with other content"


class DatasetBuilding(ServiceError):
    status, code, title = 503, "dataset_building", "The dataset is still being built"


class DatasetBuildFailed(ServiceError):
    status, code, title = 409, "dataset_build_failed", "The dataset could not be built"


class EncoderUnavailable(ServiceError):
    status, code, title = 409, "encoder_unavailable", "The dataset's encoder is not loaded here"


class NotReady(ServiceError):
    status, code, title = 503, "not_ready", "The service is not ready"


class Overloaded(ServiceError):
    status, code, title = 503, "overloaded", "The service is overloaded"


class DeadlineExceeded(ServiceError):
    status, code, title = 504, "deadline_exceeded", "The request took too long"


class ModelFailed(ServiceError):
    status, code, title = 500, "model_failed", "A model failed on this input"


class DatabaseUnavailable(ServiceError):
    status, code, title = 503, "database_unavailable", "The database does not answer"


class DatabaseCorrupt(ServiceError):
    status, code, title = 503, "database_corrupt", "The database is damaged"


class StorageFull(ServiceError):
    """Nothing of what was asked for was kept; what was kept before is there."""

    status, code, title = 507, "storage_full", "There is no room to keep it"


class ServiceUnreachable(ServiceError):
    status, code, title = 503, "service_unreachable", "No service answers there"


class SettingsError(ServiceError):
    code, title = "settings_invalid", "A setting is invalid"


class WeightsError(ServiceError):
    code, title = "weights_error", "Model weights are not usable"


class WeightsMissing(WeightsError):
    code, title = "weights_missing", "Model weights are missing"


class WeightsMismatch(WeightsError):
    code, title = "weights_mismatch", "Model weights differ from their recorded checksum"


class DownloadFailed(WeightsError):
    code, title = "download_failed", "Model weights cannot be downloaded"
