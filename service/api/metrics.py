"""GET /metrics, for Prometheus and whatever else reads its formats."""

from typing import Any

from fastapi import APIRouter, Request, Response

from service.api.state import state_of

router = APIRouter(tags=["service"])
OPENMETRICS = "application/openmetrics-text"
_EXAMPLE = """# HELP l2r2_ready 1 where /readyz says 200.
# TYPE l2r2_ready gauge
l2r2_ready 1.0
"""
_TEXT: dict[str, Any] = {"schema": {"type": "string"}, "example": _EXAMPLE}

_CONTENT = {"text/plain": _TEXT, OPENMETRICS: _TEXT | {"example": _EXAMPLE + "# EOF\n"}}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "All metrics", "content": _CONTENT}},
)
async def metrics(request: Request) -> Response:
    """What was asked, answered and refused, how long it took, and the state of the models, as Prometheus' text format
    or, where `Accept` prefers it, OpenMetrics. Also while models are being loaded."""
    found = state_of(request).observer.metrics
    assert found is not None, "the route is there where metrics are on"
    text, media_type = await found.rendered_beside(request.headers.get("accept", ""))
    return Response(text, media_type=media_type)
