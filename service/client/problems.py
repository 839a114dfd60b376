"""What a service refuses, as exceptions.

ServiceError
├── ServiceUnreachable         no service answers there, or not in time
└── ProblemError               any problem document; `code` says which
    ├── InvalidFieldsError     a field; `errors` names each, with the allowed values
    ├── PictureError           the picture cannot be read, or is none
    ├── TooLargeError          the request
    ├── UnauthorizedError      no key, or one that opens nothing
    ├── ForbiddenError         the key lacks a scope
    ├── NotFoundError          no such dataset or version
    ├── ConflictError          other content under that name, or a list that could not be built
    ├── RateLimitedError       the key's limit, after all retries
    ├── UnavailableError       overloaded, starting, building …, after all retries
    └── TooLateError           no answer within the deadline
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from service.errors import FieldProblem, ServiceError, ServiceUnreachable

MEDIA_TYPE = "application/problem+json"
UNEXPECTED = "unexpected_answer"
MOST_SHOWN = 200  # characters of an answer that nobody expected


class ProblemError(ServiceError):
    """`errors`: the bad fields. `retry_after_s`: when to ask again, where the service said so."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.status, self.code = status, code
        self.errors, self.request_id = errors, request_id

    @property
    def problems(self) -> tuple[FieldProblem, ...]:
        return self.errors

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.status, self.code, self.detail, self.errors, self.request_id, self.retry_after_s)
        return type(self), parts


class InvalidFieldsError(ProblemError):
    pass


class PictureError(ProblemError):
    pass


class TooLargeError(ProblemError):
    pass


class UnauthorizedError(ProblemError):
    pass


class ForbiddenError(ProblemError):
    pass


class NotFoundError(ProblemError):
    pass


class ConflictError(ProblemError):
    pass


class RateLimitedError(ProblemError):
    pass


class UnavailableError(ProblemError):
    pass


class TooLateError(ProblemError):
    pass


_BY_CODE: Mapping[str, type[ProblemError]] = {
    "image_unreadable": PictureError,
    "image_truncated": PictureError,
    "image_too_large": PictureError,
    "image_unsupported": PictureError,
    "url_failed": PictureError,
    "url_refused": PictureError,
}
_BY_STATUS: Mapping[int, type[ProblemError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    422: InvalidFieldsError,
    429: RateLimitedError,
    502: UnavailableError,  # a proxy's, whose service does not answer
    503: UnavailableError,
    504: TooLateError,
}


def problem_from(document: Mapping[str, Any], status: int, retry_after_s: int | None = None) -> ProblemError:
    """A problem document as the exception for it."""
    code = str(document.get("code") or UNEXPECTED)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, ProblemError)
    detail = str(document.get("detail") or document.get("title") or f"HTTP {status}")
    listed = [entry for entry in document.get("errors") or () if isinstance(entry, Mapping)]
    return kind(status, code, detail, tuple(map(_field, listed)), document.get("request_id"), retry_after_s)


def refusal_in(response: httpx.Response, retry_after_s: int | None = None) -> ProblemError:
    """The exception for an answer that is an error, by whomever it was given: a balancer's has no problem document."""
    if response.headers.get("content-type", "").startswith(MEDIA_TYPE):
        try:
            document = response.json()
        except ValueError:
            document = None
        if isinstance(document, Mapping):
            return problem_from(document, response.status_code, retry_after_s)
    words = " ".join(response.text.split())[:MOST_SHOWN] or response.reason_phrase
    return problem_from({"detail": words}, response.status_code, retry_after_s)


def problem_of(error: ServiceError) -> ProblemError:
    """What happened in this process, as if a service had answered it."""
    kind = _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, ProblemError)
    return kind(error.status, error.code, error.detail, tuple(error.problems), None, error.retry_after_s)


def unexpected(response: httpx.Response, why: str) -> ProblemError:
    return ProblemError(response.status_code, UNEXPECTED, f"this is not what the service answers: {why}")


def unreachable(url: str, error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(f"no service answers at {without_userinfo(url)}: {error or type(error).__name__}")


def without_userinfo(url: str) -> str:
    """For messages: name and password of an address are nobody else's."""
    return re.sub(r"(?<=//)[^/?#]*@", "", url)


def _field(entry: Mapping[str, Any]) -> FieldProblem:
    allowed = entry.get("allowed")
    names = tuple(map(str, allowed)) if isinstance(allowed, list) else None
    return FieldProblem(str(entry.get("field")), str(entry.get("detail")), names)
