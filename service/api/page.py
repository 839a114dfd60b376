"""The page at `/`: files of `service/web`, which ask the public interface alone and load nothing from elsewhere."""

import hashlib
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

import service
from service.api.rules import scopes_needed
from service.settings import Settings

FOLDER = Path(service.__file__).parent / "web"
PATH, FILES = "/", "/page"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # pictures that were chosen, shown from memory
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # no text ever becomes markup
    )
)
DOCS_LINK = '<a href="docs">Interface</a>'  # in the page; left out where nobody could follow it
KEPT = "no-cache"  # may be kept, and is asked for again by its ETag
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}  # whatever the platform thinks


class _Files(StaticFiles):
    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        media_type = MEDIA_TYPES.get(Path(full_path).suffix)
        if media_type is not None and response.status_code == 200:
            response.headers["Content-Type"] = f"{media_type}; charset=utf-8"
        response.headers["Cache-Control"] = KEPT
        return response


def install(app: FastAPI, settings: Settings) -> None:
    """Unless the settings leave it out."""
    if settings.page == "off":
        return
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    body = text if _docs_are_open(settings) else text.replace(DOCS_LINK, "")
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": KEPT,
        "ETag": f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"',
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    async def page(request: Request) -> Response:
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(body, headers=headers)

    app.add_route(PATH, page, include_in_schema=False)
    app.mount(FILES, _Files(directory=FOLDER))


def _docs_are_open(settings: Settings) -> bool:
    """To a browser, which sends no key when a link is followed."""
    asks_for_key = settings.keys_file is not None and scopes_needed("GET", "/docs", settings.public_paths) is not None
    return settings.docs == "on" and not asks_for_key
