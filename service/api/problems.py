"""Every error as RFC 9457 `application/problem+json`."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.errors import (
    BadRequest,
    FieldProblem,
    InvalidFields,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    ServiceError,
    UnsupportedMediaType,
)
from service.telemetry import problem, request_id

CLIENT_CLOSED_REQUEST = 499  # nginx's number for it
MEDIA_TYPE = "application/problem+json"
MOST_FOUND = 1000
NAME_TAG, OBJECT_TAG = "<name>", "<object>"  # steps of pydantic's, not of the document
log = logging.getLogger(__name__)


def problem_of(error: ServiceError) -> dict[str, Any]:
    """The wire form of an error; also what a batch answer holds for a picture that failed."""
    document: dict[str, Any] = {
        "type": f"urn:l2r2:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": _sendable(error.detail),
        "code": error.code,
        "request_id": request_id.get(),
    }
    if error.problems:
        document["errors"] = [_field_problem(entry) for entry in error.problems]
    return document


def _field_problem(entry: FieldProblem) -> dict[str, Any]:
    allowed = {} if entry.allowed is None else {"allowed": [_sendable(name) for name in entry.allowed]}
    return {"field": _sendable(entry.field), "detail": _sendable(entry.detail), **allowed}


def _sendable(text: str) -> str:
    """JSON can name lone surrogates, which UTF-8 cannot hold; a caller's own words come back with those escaped."""
    return text.encode(errors="backslashreplace").decode()


def problem_response(error: ServiceError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    problem.set((error.code, error.counted_as))
    extra = dict(headers or {})
    if error.retry_after_s is not None:
        extra["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, RequestTimeout):
        extra["Connection"] = "close"  # the rest of the request may still come, and is none of the next one
    return JSONResponse(problem_of(error), error.status, extra, media_type=MEDIA_TYPE)


def invalid_fields(errors: Sequence[Mapping[str, Any]]) -> ServiceError:
    """Pydantic's findings as one error that names each field by its path."""
    if any(error["type"] == "json_invalid" for error in errors):
        return BadRequest("the body is not valid JSON")
    return InvalidFields(*[_from_pydantic(error) for error in errors[:50]])


def too_many_found(error: ValidationError) -> InvalidFields | None:
    """The refusal of what has more than MOST_FOUND errors: naming them takes ten times as long as finding them."""
    found = error.error_count()
    return InvalidFields(FieldProblem("body", f"has {found} errors, too many to name")) if found > MOST_FOUND else None


def _from_pydantic(error: Mapping[str, Any]) -> FieldProblem:
    path, before = "", None
    for part in error["loc"]:
        is_tag = isinstance(before, int) and part in (NAME_TAG, OBJECT_TAG)  # else it is a caller's own name
        before = part
        if (part in ("body", "query", "path") and not path) or is_tag:
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    path = path or "body"
    expected = error.get("ctx", {}).get("expected")
    allowed = None
    if error["type"] == "literal_error" and isinstance(expected, str):
        allowed = tuple(part.strip("' ") for part in expected.replace(" or ", ", ").split(","))
    if error["type"] == "extra_forbidden":
        return FieldProblem(path, "is not a known field")
    if error["type"] in ("model_type", "model_attributes_type", "dataclass_type"):  # pydantic names classes
        return FieldProblem(path, "Input should be an object")
    return FieldProblem(path, str(error["msg"]), allowed)


async def _on_service_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        raise error
    if error.status >= 500:
        log.warning("refused", extra={"code": error.code, "detail": error.detail})
    return problem_response(error)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError | ValidationError):
        raise error
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and not media_type.endswith("json"):
        return problem_response(UnsupportedMediaType(f"{media_type or 'no content type'} is not accepted; send JSON"))
    return problem_response(invalid_fields(error.errors()))


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, ServiceError):  # FastAPI wraps what is raised while it reads a body
        return problem_response(error.__cause__)
    known = {404: NotFound, 405: MethodNotAllowed}
    kind = known.get(error.status_code, BadRequest)
    detail = f"{request.method} {request.url.path}" if error.status_code in known else str(error.detail)
    return problem_response(kind(detail), error.headers)


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)  # for the log alone


async def _on_crash(_request: Request, error: Exception) -> JSONResponse:
    log.error("a request crashed", exc_info=error)
    return problem_response(ServiceError("an unexpected fault; the log has it under this request id"))


def install(app: FastAPI) -> None:
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_crash)
