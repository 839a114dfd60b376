"""What is told with every answer, and whose pages browsers let ask."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.answer_headers import ALWAYS, UNLESS_SAID, VERSION_HEADER
from service.api.deadlines import DEADLINE_HEADER

ASKED = ("Authorization", "X-API-Key", "X-Request-ID", DEADLINE_HEADER)
SHOWN = ("X-Request-ID", "Retry-After", "Location", "WWW-Authenticate", VERSION_HEADER)


class SecurityHeaders:
    """On every answer, whoever gives it. A page says what it may load and whether it may be kept; all else loads and
    keeps nothing: it was made from somebody's picture, or for somebody's key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in UNLESS_SAID.items():
                    headers.setdefault(name, value)
                headers.update(ALWAYS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Pages of these origins may ask (`*`: of all); without any nothing is changed. A preflight needs no key, as
    browsers send none with it."""
    if not origins:
        return app
    methods = ("GET", "HEAD", "POST", "PUT", "DELETE")
    return CORSMiddleware(app, allow_origins=origins, allow_methods=methods, allow_headers=ASKED, expose_headers=SHOWN)
