"""Every route of the interface, and the names that metrics and traces have for them."""

from fastapi import FastAPI

from service.api import calibration, classify, datasets, health, inference_protocol, metrics, versions
from service.api.route_names import RouteNames
from service.api.state import State

MODULES = (classify, datasets, versions, calibration, health, inference_protocol)


def install(app: FastAPI, state: State) -> None:
    """`/metrics` only where something is counted."""
    routers = [module.router for module in MODULES]
    if state.observer.metrics is not None:
        state.observer.metrics.watch(state.reading)
        routers.append(metrics.router)
    app.state.routes = RouteNames(routers)
    for router in routers:
        app.include_router(router)
