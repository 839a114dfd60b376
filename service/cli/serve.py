"""`l2r2 serve`: the HTTP service in this process."""

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import uvicorn


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    profile: Annotated[str | None, typer.Option(help="Which models to load.")] = None,
) -> None:
    """Run the service. Settings come from L2R2_ variables; options win over them."""
    import uvicorn

    from service.app import create_app
    from service.serving.options import connection_options
    from service.settings import load_settings
    from service.telemetry import configure_logging

    settings = load_settings(host=host, port=port, profile=profile)
    configure_logging(settings.log_level, settings.log_format)

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, on_failure=stop)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        **connection_options(settings),
    )
    server = uvicorn.Server(config)
    code = 1 if not _run(server) or app.state.service.failure is not None else 0
    if not app.state.service.loaded.is_set():
        # Stopped while it loaded, perhaps gigabytes: nothing was accepted, and what is half downloaded is resumed.
        os._exit(code)
    sys.exit(code)


def _run(server: "uvicorn.Server") -> bool:
    """Serve until a signal comes; false if the address cannot be had."""

    def stop(*_: object) -> None:
        server.should_exit = True

    for stopping in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal once more after its orderly end, which would end the process by it: exit 0 is due.
        signal.signal(stopping, stop)
    try:
        server.run()
    except SystemExit:
        return False
    return server.started
