"""Which route an address belongs to, also where a request is refused before it is routed."""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.routing import Route

OTHER = "other"


class RouteNames:
    """Paths as the routers' own patterns, such as `/datasets/{name}`; what is none of these is OTHER."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
        self._plain = {route.path for route in routes if not route.param_convertors}
        self._patterns = tuple({route.path: route.path_regex for route in routes if route.param_convertors}.items())

    def of(self, path: str) -> str:
        if path in self._plain:
            return path
        return next((name for name, pattern in self._patterns if pattern.match(path)), OTHER)
