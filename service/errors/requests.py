"""A request that is wrong, or not allowed."""

from collections.abc import Sequence

from service.errors.base import FieldProblem, ServiceError


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


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "There is nothing at this address"


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "The method is not allowed here"
