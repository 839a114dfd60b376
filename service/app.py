"""The application around the parts: routes, and what stands in front of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Lifespan

import service
from service.access.keyring import Keyring
from service.access.limits import Limits
from service.api import (
    calibration,
    classify,
    datasets,
    health,
    inference_protocol,
    metrics,
    page,
    pages,
    problems,
    versions,
)
from service.api.body_limits import BodyBounds, BodyLimit
from service.api.guard import Guard
from service.api.headers import SecurityHeaders, with_cors
from service.api.life import Life
from service.api.middleware import RequestContext
from service.api.openapi import completed
from service.api.own_host import OwnHost
from service.api.route_names import RouteNames
from service.api.state import Parts, State
from service.observing.chosen import observer_of
from service.parts import load_parts
from service.settings import Settings

if TYPE_CHECKING:
    from service.fetching.fetch import Fetcher


def _fetcher(settings: Settings) -> "Fetcher | None":
    if not settings.fetch_urls:
        return None
    from service.fetching.fetch import Fetcher, FetchLimits  # an HTTP client, which nothing else here needs

    hosts = [host.strip().lower() for host in (settings.fetch_hosts or "").split(",")]
    limits = FetchLimits(
        settings.fetch_timeout_s,
        settings.max_image_bytes,
        settings.fetch_redirects,
        settings.fetch_concurrent,
        tuple(filter(None, hosts)),
    )
    return Fetcher(limits)


def create_app(
    settings: Settings,
    on_failure: Callable[[], None] = lambda: None,
    on_beyond_help: Callable[[str], None] = lambda _reason: None,
    load: Callable[[Settings], Parts] = load_parts,
) -> FastAPI:
    """The application; it listens at once and is ready when loading is done.

    Args:
        on_failure: called if loading fails.
        on_beyond_help: called, from another thread, if only a new process can help.

    Raises:
        SettingsError: the key file cannot be read, or what is to make traces is not installed.
    """
    state = State(settings, _fetcher(settings), observer=observer_of(settings))
    keyring = Keyring(settings.keys_file) if settings.keys_file is not None else None
    app = _described(settings, Life(state, load, on_failure, on_beyond_help).lifespan)
    app.state.service = state
    app.add_middleware(BodyLimit, bounds=BodyBounds.of(settings), held=state.bodies)
    if keyring is not None:  # around the others: who has no key is told nothing else, and no body of his is read
        app.add_middleware(Guard, keyring=keyring, limits=Limits(), public_paths=settings.public_paths)
    elif not settings.allow_anonymous:
        app.add_middleware(OwnHost)
    problems.install(app)
    if settings.docs == "on":
        pages.install(app)
    page.install(app, settings)
    modules = [classify, datasets, versions, calibration, health, inference_protocol]
    routers = [module.router for module in modules]
    if state.observer.metrics is not None:
        state.observer.metrics.watch(state.reading)
        routers.append(metrics.router)
    app.state.routes = RouteNames(routers)
    for router in routers:
        app.include_router(router)
    return app


def _described(settings: Settings, lifespan: Lifespan[FastAPI]) -> FastAPI:
    return _Application(
        title="L2R2",
        summary="Zero-shot image recognition that finds the object first.",
        description="After “Localize to Recognize Robustly”: the full picture and the located foreground are compared "
        "with the class names, and the more confident one answers.",
        version=service.__version__,
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
        openapi_url=None if settings.docs == "off" else "/openapi.json",
        docs_url=None,  # see `pages`
        redoc_url=None,
    )


class _Application(FastAPI):
    """Outermost is what a crash's answer too must have: its request id, its headers."""

    def build_middleware_stack(self) -> ASGIApp:
        inner = with_cors(super().build_middleware_stack(), self._state.settings.cors_origins)
        state = self._state
        return RequestContext(SecurityHeaders(inner), lambda: state.draining, state.observer, self.state.routes.of)

    def openapi(self) -> dict[str, Any]:
        return completed(super().openapi(), self._state.settings)

    @property
    def _state(self) -> State:
        state: State = self.state.service
        return state
