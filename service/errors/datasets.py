"""What is registered, and where it is kept."""

from service.errors.base import ServiceError


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


class DatabaseUnavailable(ServiceError):
    status, code, title = 503, "database_unavailable", "The database does not answer"


class DatabaseCorrupt(ServiceError):
    status, code, title = 503, "database_corrupt", "The database is damaged"


class StorageFull(ServiceError):
    """Nothing of what was asked for was kept; what was kept before is there."""

    status, code, title = 507, "storage_full", "There is no room to keep it"
