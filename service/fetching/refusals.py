"""Why no picture was fetched. Nothing in it is of what was found at the address but the status."""

from service.errors import FieldProblem, UrlFailed, UrlRefused

FIELD = "image_url"


def refused(reason: str) -> UrlRefused:
    return UrlRefused(FieldProblem(FIELD, reason))


def failed(reason: str) -> UrlFailed:
    return UrlFailed(FieldProblem(FIELD, reason))
