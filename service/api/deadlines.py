"""When a caller's answer is due, and whether it can be met, judged before the body is read."""

from starlette.requests import Request

from service.api.state import parts_of, state_of
from service.errors import BadRequest
from service.stages.admission import Deadline

DEADLINE_HEADER = "X-Request-Timeout-Ms"
DEADLINE_PARAMETER = {  # for the OpenAPI document
    "name": DEADLINE_HEADER,
    "in": "header",
    "required": False,
    "description": "Milliseconds in which the answer is of use, where that is fewer than the service allows. A request "
    "that cannot be answered by then is refused at once (503, with `Retry-After`).",
    "schema": {"type": "integer", "minimum": 1},
    "example": 10_000,
}
MOST_DIGITS = 12


def promising_deadline(request: Request) -> Deadline:
    """By the header or the setting, whichever is sooner.

    Raises:
        BadRequest: the header holds no whole number above 0.
        Overloaded: even one picture would not be answered in time.
    """
    deadline = Deadline(min(state_of(request).settings.request_timeout_s, _asked_s(request)))
    parts_of(request).recognizer.admission.judge(1, deadline.left_s)
    return deadline


def _asked_s(request: Request) -> float:
    given = request.headers.getlist(DEADLINE_HEADER)
    if not given:
        return float("inf")
    text = given[0].strip()
    if len(given) > 1 or not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS and int(text)):
        shown = ", ".join(given)[:100]
        raise BadRequest(f"{DEADLINE_HEADER} must be a whole number of milliseconds from 1, not {shown!r}")
    return int(text) / 1000
