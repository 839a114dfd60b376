"""Nobody gets past without a key that allows what is asked, and nothing is read of a body before that."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.keyring import Keyring
from service.access.keys import Key
from service.access.limits import Limits
from service.api.problems import problem_response
from service.api.rules import scopes_needed
from service.errors import Forbidden, ServiceError, Unauthorized
from service.telemetry import key_name

CHALLENGE = {"WWW-Authenticate": "Bearer"}
KEY_HEADER = "x-api-key"
HOW = "send one as `Authorization: Bearer KEY` or `X-API-Key: KEY`"


class Guard:
    """Asks for a key by the rules, and keeps the key to its limits."""

    def __init__(self, app: ASGIApp, keyring: Keyring, limits: Limits, public_paths: Collection[str] = ()) -> None:
        self._app, self._keyring, self._limits, self._public_paths = app, keyring, limits, public_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":  # a WebSocket: there are none
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            key = self._key(scope)
            if key is not None:
                self._limits.enter(key)
        except ServiceError as error:
            challenge = CHALLENGE if isinstance(error, Unauthorized) else None
            await problem_response(error, challenge)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            if key is not None:
                self._limits.leave(key)

    def _key(self, scope: Scope) -> Key | None:
        """The caller's key; None where none is asked for. Raises Unauthorized, Forbidden."""
        needed = scopes_needed(scope["method"], scope["path"], self._public_paths)
        if needed is None:
            return None
        presented = _presented(Headers(scope=scope))
        if presented is None:
            raise Unauthorized(f"a key is needed here; {HOW}")
        key = self._keyring.find(presented.encode("latin-1"))
        if key is None:
            raise Unauthorized(f"this is no key, or it has expired or been revoked; {HOW}")
        key_name.set(key.name)  # of one that is forbidden this, too
        if not needed.intersection(key.scopes):
            raise Forbidden(f"this needs a key of the scope {' or '.join(sorted(needed))}; this one's: "
                            f"{', '.join(key.scopes)}")  # fmt: skip
        return key


def _presented(headers: Headers) -> str | None:
    """`X-API-Key` before `Authorization`, which a proxy in between may use for itself."""
    plain = headers.get(KEY_HEADER)
    if plain is not None:
        return plain.strip()
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" and credentials.strip() else None
