"""A service that cannot start, or cannot answer now."""

from service.errors.base import ServiceError


class NotReady(ServiceError):
    status, code, title = 503, "not_ready", "The service is not ready"


class Overloaded(ServiceError):
    status, code, title = 503, "overloaded", "The service is overloaded"


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
