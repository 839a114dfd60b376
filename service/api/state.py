"""What routes work with, and whether it is there yet."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.requests import Request

from service.api.body_limits import HeldBodies
from service.batching import WorkerHealth
from service.datasets.database import Database
from service.datasets.registry import Registry
from service.engine import Engine
from service.errors import NotReady
from service.recognizer import Recognizer
from service.settings import Settings


@dataclass(frozen=True)
class Parts:
    """Everything that is loaded at the start and closed at the end. `calibrating`: a thread for what takes minutes, so
    that it keeps none of those from their work that requests wait for."""

    engine: Engine
    registry: Registry
    database: Database
    calibrating: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="calibration")
    )

    @property
    def recognizer(self) -> Recognizer:
        return self.engine.recognizer

    def health(self) -> dict[str, WorkerHealth]:
        return {**self.recognizer.health(), "prototype builder": self.registry.health()}

    def close(self) -> None:
        """Finish what was accepted, then let go of everything."""
        self.recognizer.close()
        self.calibrating.shutdown(cancel_futures=True)
        self.registry.close()
        self.database.close()


@dataclass
class State:
    """The one changing thing of the app: `parts` appears when loading is done; `draining` when the end has come."""

    settings: Settings
    parts: Parts | None = None
    failure: str | None = None
    draining: bool = False
    bodies: HeldBodies = field(default_factory=HeldBodies)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)  # set when loading ended, well or not

    def unready_because(self) -> str | None:
        if self.failure is not None:
            return f"loading failed: {self.failure}"
        if self.parts is None:
            return "models are being loaded"
        if self.draining:
            return "the service is stopping"
        dead = [name for name, worker in self.parts.health().items() if not worker.alive]
        return f"the {' and '.join(dead)} worker has died" if dead else None


def state_of(request: Request) -> State:
    state: State = request.app.state.service
    return state


def parts_of(request: Request) -> Parts:
    """Raises NotReady while models are being loaded."""
    state = state_of(request)
    if state.parts is None:
        raise NotReady(state.unready_because() or "not loaded", retry_after_s=2)
    return state.parts
