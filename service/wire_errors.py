"""Errors of requests that have not arrived in whole, as those of `service.errors`.

ServiceError
├── RequestTimeout             408  request_timeout
├── HeadTooLarge               431  head_too_large
└── ProtocolUnsupported        501  protocol_unsupported
"""

from service.errors import ServiceError


class RequestTimeout(ServiceError):
    status, code, title = 408, "request_timeout", "The request did not arrive in time"


class HeadTooLarge(ServiceError):
    status, code, title = 431, "head_too_large", "The request head is too large"


class ProtocolUnsupported(ServiceError):
    status, code, title = 501, "protocol_unsupported", "The version of HTTP or the transfer coding is not spoken here"
