"""A helper process that is asked by lines of JSON, so that its memory and threads disturb nobody else's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from service.errors import ServiceError


class BenchFailed(ServiceError):
    code, title = "bench_failed", "The measurement could not be made"


class Worker:
    """`python -m module` in a process of its own, one job at a time."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        self._module = module
        command = [sys.executable, "-m", module]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)  # noqa: S603

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, job: Mapping[str, Any]) -> Any:
        """Raises BenchFailed where the process ends or refuses."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # the empty answer below says it
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"{self._module} ended with {self._process.wait()}; its own words stand above")
        answer = json.loads(line)
        if answer["refused"] is not None:
            raise BenchFailed(answer["refused"])
        return answer["result"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def answer_jobs(answer: Callable[[dict[str, Any]], Any]) -> None:
    """The helper's side: until its standard input ends. What libraries print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the asking side decides
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            try:
                reply = {"refused": None, "result": answer(json.loads(line))}
            except ServiceError as error:
                reply = {"refused": error.detail, "result": None}
            answers.write(json.dumps(reply) + "\n")
            answers.flush()
