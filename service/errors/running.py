"""A service that cannot start, or cannot answer now."""

from typing import Literal

from service.errors.base import ServiceError

Scarce = Literal["places", "time", "queue", "bodies", "connections", "fetches", "decoders", "changes"]


class NotReady(ServiceError):
    status, code, title = 503, "not_ready", "The service is not ready"


class Overloaded(ServiceError):
    """`of`: of what there is too much."""

    status, code, title = 503, "overloaded", "The service is overloaded"

    def __init__(self, detail: str, *, retry_after_s: int | None = None, of: Scarce = "places") -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self._of = of

    @property
    def counted_as(self) -> str:
        return f"{self.code}_{self._of}"


class DeadlineExceeded(ServiceError):
    status, code, title = 504, "deadline_exceeded", "The request took too long"


class ModelFailed(ServiceError):
    status, code, title = 500, "model_failed", "A model failed on this input"


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
