"""How uvicorn listens, by the settings."""

import logging
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from service.errors import ServiceError
from service.serving.limits import BACKLOG, ConnectionLimits, connections_within, raise_open_files
from service.serving.protocol import bounded_protocol
from service.settings import Settings

log = logging.getLogger(__name__)


def connection_options(
    settings: Settings, on_refusal: Callable[[ServiceError], None] = lambda _error: None
) -> dict[str, Any]:
    """Arguments of `uvicorn.Config`. `on_refusal` is told of what is refused at the connection. Lets the process
    have as many open files as it may."""
    given = {field.name: getattr(settings, field.name) for field in fields(ConnectionLimits)}
    given["max_connections"] = connections_within(settings.max_connections, raise_open_files())
    if given["max_connections"] < settings.max_connections:
        log.warning("fewer connections, for want of open files", extra={"max_connections": given["max_connections"]})
    return {
        "http": bounded_protocol(ConnectionLimits(**given), on_refusal),
        "ws": "none",
        "backlog": BACKLOG,
        "timeout_keep_alive": settings.keep_alive_s,
    }
