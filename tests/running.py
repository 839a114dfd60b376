"""A service in a process of its own, for tests that kill it or run several."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

START_S = 120


class RunningService:
    command: Sequence[str] = ("-m", "service", "serve")

    def __init__(self, log: Path, port: int | None = None, **settings: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        environment = {name: value for name, value in os.environ.items() if not name.startswith("L2R2_")}
        settings = {"threads": "1", "drain_delay_s": "0"} | settings  # tests run side by side
        environment |= {f"L2R2_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, *self.command, "--port", str(self.port)]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)

    def wait_ready(self) -> None:
        for _ in range(START_S * 5):
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log.read_text()}")
        raise AssertionError(f"the service did not become ready:\n{self.log.read_text()}")

    def kill(self) -> None:
        """As an out-of-memory killer would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def log_lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class LightService(RunningService):
    """With models that answer at once and fail when asked to; see `light_models`."""

    command = (str(Path(__file__).with_name("light_models.py")),)


@contextmanager
def running(log: Path, kind: type[RunningService] = RunningService, **settings: str) -> Iterator[RunningService]:
    service = kind(log, **settings)
    try:
        service.wait_ready()
        yield service
    finally:
        if service.process.poll() is None:
            service.kill()
