"""A server in a process of its own: this service by its real command, or a peer."""

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
import psutil

from service.bench.worker import BenchFailed

START_S = 900  # gigabytes may have to be read
STOP_S = 60
PAUSE_S = 0.2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Server:
    """Started at once; `wait_ready` before use. As a context it waits, and stops the process at the end."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, ready_path: str, log: Path, env: Mapping[str, str]
    ) -> None:
        self.name, self.url, self._log = name, f"http://127.0.0.1:{port}", log
        self._ready_url = self.url + ready_path
        with log.open("ab") as sink:
            self._process = subprocess.Popen(command, env=env, stdout=sink, stderr=sink)  # noqa: S603

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Raises BenchFailed with the last words of a server that ended, or that never answers."""
        for _ in range(round(START_S / PAUSE_S)):
            try:
                if httpx.get(self._ready_url, timeout=30).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            try:
                self._process.wait(PAUSE_S)
            except subprocess.TimeoutExpired:
                continue
            break
        raise BenchFailed(f"{self.name} did not start: {self._last_words()}")

    def stop(self) -> None:
        """End the process, and those of its own that it leaves behind."""
        left = psutil.Process(self.pid).children(recursive=True) if self._process.poll() is None else []
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def __enter__(self) -> Self:
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()


def this_service(folder: Path, environment: Mapping[str, str]) -> Server:
    """`l2r2 serve` with the settings of `environment`, its log in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    return Server("the service", command, port, "/readyz", folder / "service.log", environment)
