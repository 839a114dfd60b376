"""`l2r2 serve`: the HTTP service in this process."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from service.cli.completing import Profile

if TYPE_CHECKING:
    from service.api.state import Parts
    from service.serving.server import Server
    from service.settings import Settings

BEYOND_HELP = 70  # "internal software error" of sysexits.h
log = logging.getLogger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    profile: Profile = None,
) -> None:
    """Run the service. Settings come from L2R2_ variables; options win over them.

    Exit codes: 0 stopped in order, 1 it could not start, 70 it could not go on and is to be started anew.
    """
    from service.access.binding import check_binding
    from service.settings import load_settings

    settings = load_settings(host=host, port=port, profile=profile)
    check_binding(settings.host, has_keys=settings.keys_file is not None, allow_anonymous=settings.allow_anonymous)
    from service.serving.heaps import share_heaps

    share_heaps()
    from service.parts import load_parts  # its time is not for a refusal

    run(settings, load_parts)


def run(settings: "Settings", load: "Callable[[Settings], Parts]") -> NoReturn:
    """The service until its end, which is the process's."""
    import uvicorn

    from service.app import create_app
    from service.errors import SettingsError
    from service.serving.options import connection_options
    from service.serving.server import Server
    from service.telemetry import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    app = create_app(settings, on_failure=lambda: server.stop(), on_beyond_help=_end, load=load)
    state = app.state.service
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        **connection_options(settings, state.observer.problem),
    )
    server = Server(config, state.drain, settings.drain_delay_s)
    well = _run(server) and state.failure is None
    refusal = state.refusal
    if not (server.started or server.should_exit) and state.failure is None:
        address = f"{settings.host}:{settings.port}"
        refusal = SettingsError(f"{address} cannot be had; free it, or set L2R2_HOST or L2R2_PORT")
    if refusal is not None:  # after uvicorn's own words: what to look up comes last
        log.critical("the service did not start", extra={"code": refusal.code, "detail": refusal.detail})
    if well and state.loaded.is_set() and not state.closed:
        log.error("a model did not end in time")
        well = False
    # Threads may be left that nobody waits for: of loading, perhaps of gigabytes, which is resumed; of a calibration,
    # which nobody was told of; of a name that is looked up.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0 if well else 1)


def _end(reason: str) -> None:
    """From the watchdog's thread: whatever hangs is not waited for, not even whoever should read the log."""
    last_words = threading.Timer(2, os._exit, (BEYOND_HELP,))
    last_words.daemon = True
    last_words.start()
    log.critical("the service cannot go on", extra={"reason": reason})
    logging.shutdown()
    os._exit(BEYOND_HELP)


def _run(server: "Server") -> bool:
    """Serve until a signal comes; false if the address cannot be had."""
    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, server.handle_exit)  # before uvicorn listens to them, and after
    try:
        server.run()
    except SystemExit:
        return False
    return server.started
