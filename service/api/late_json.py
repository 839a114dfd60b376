"""JSON bodies that the event loop neither parses nor checks: of millions of values that would take seconds, in which
nobody else is answered."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Unparsed:
    """A body of JSON, for `checked`."""

    body: bytes


class Unchecked:
    """Marks a body that FastAPI documents as the model and leaves as it is. With LateRoute it is Unparsed."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(self, _any: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(self._model.__pydantic_core_schema__)


class LateRequest(Request):
    async def json(self) -> Unparsed:  # in place of the parsed document
        return Unparsed(await self.body())


class LateRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_late(request: Request) -> Response:
            return await handle(LateRequest(request.scope, request.receive))

        return handle_late
