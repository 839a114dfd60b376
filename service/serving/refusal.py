"""An answer to what is no request yet: written at the connection, without the application."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from uuid import uuid4

from service.answer_headers import ALWAYS, UNLESS_SAID
from service.errors import ServiceError


def wire_form(error: ServiceError, headers: Iterable[tuple[bytes, bytes]] = ()) -> tuple[bytes, str]:
    """The whole response as bytes, after which the connection ends, and the request id in it."""
    own_id = uuid4().hex
    problem = {
        "type": f"urn:l2r2:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": own_id,
    }
    body = json.dumps(problem).encode()
    fields = [
        *headers,
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", own_id.encode()),
        *((name.lower().encode(), value.encode()) for name, value in (ALWAYS | UNLESS_SAID).items()),
        (b"connection", b"close"),
    ]
    if error.retry_after_s is not None:
        fields.append((b"retry-after", str(error.retry_after_s).encode()))
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body, own_id
