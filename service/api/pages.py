"""/docs and /redoc, from files of this installation: they need no internet, and load nothing from elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # both pages style what they draw
        "img-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",  # the search of /redoc
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# Addresses are relative to the page's, so that they hold behind a proxy that adds a prefix.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>L2R2</title><link rel="icon" href="data:,">{head}</head>
<body>{body}</body>
</html>
"""
DOCS = _PAGE.format(
    head='<link rel="stylesheet" href="docs/assets/swagger-ui.css">',
    body='<div id="page"></div><script src="docs/assets/swagger-ui-bundle.js"></script>'
    '<script src="docs/start.js"></script>',
)
START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", deepLinking: true, layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
REDOC = _PAGE.format(
    head="",
    body='<redoc spec-url="openapi.json"></redoc><script src="redoc/assets/redoc.standalone.js"></script>',
)


class _Assets(StaticFiles):
    """May be kept, and are asked for again by their ETag."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def install(app: FastAPI) -> None:
    async def docs(_request: Request) -> Response:
        return _page(DOCS)

    async def start(_request: Request) -> Response:
        return Response(START, media_type="text/javascript")

    async def redoc(_request: Request) -> Response:
        return _page(REDOC)

    for path, page in (("/docs", docs), ("/docs/start.js", start), ("/redoc", redoc)):
        app.add_route(path, page, include_in_schema=False)
    for path in ("/docs/assets", "/redoc/assets"):
        app.mount(path, _Assets(directory=_folder()))


def _page(text: str) -> Response:
    return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})


def _folder() -> Path:
    """The files of Swagger UI and ReDoc that `fastapi_offline` carries; its code is not run."""
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"
