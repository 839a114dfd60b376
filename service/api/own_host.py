"""Without keys a page of strangers must not reach the service through a browser on this machine.

A browser lets a page ask the site that it came from. Whoever makes his own site's name lead to 127.0.0.1 once his page
is loaded (DNS rebinding) would ask and read here; the name in `Host` stays his, and by that he is known.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.binding import is_loopback
from service.api.problems import problem_response
from service.errors import Forbidden


class OwnHost:
    """What comes to an address of this machine's own has to name one, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_loopback((scope.get("server") or ("",))[0]):
            named = Headers(scope=scope).get("host")
            if named is not None and not is_loopback(_host(named)):
                detail = f"{named!r} is not a name of this machine's own, such as localhost; behind a proxy set "
                error = Forbidden(detail + "L2R2_KEYS_FILE, or L2R2_ALLOW_ANONYMOUS=true")
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host(named: str) -> str:
    """Without a port; nothing where it is no host."""
    try:
        return urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return ""
