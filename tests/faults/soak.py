"""Good, bad and cancelled requests, mixed, for as long as is wanted, and what they did to the process."""

import itertools
import random
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from running import RunningService  # type: ignore[import-not-found]

WAIT_S = 60
SAMPLE_EVERY_S = 1.0
TOLERANCE = 2e-3  # of a confidence: what stands beside a view changes how sums are rounded


@dataclass(frozen=True)
class Sample:
    """Of the service's process and those that it started."""

    rss_mb: float
    files: int
    threads: int
    processes: int


@dataclass
class Findings:
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    cancelled: int = 0

    def growth(self, settled: int) -> float:
        """Memory at the end against memory after `settled` samples, each the median of a tenth of the rest."""
        rest = [sample.rss_mb for sample in self.samples[settled:]]
        tenth = max(3, len(rest) // 10)
        return statistics.median(rest[-tenth:]) / statistics.median(rest[:tenth])

    def spread(self, name: str, settled: int) -> tuple[int, int]:
        values = [getattr(sample, name) for sample in self.samples[settled:]]
        return min(values), max(values)


def sample(pid: int) -> Sample:
    processes = [pid, *_children(pid)]
    status = [Path(f"/proc/{one}/status").read_text() for one in processes]
    return Sample(
        rss_mb=sum(_number(text, "VmRSS:") for text in status) / 1024,
        files=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=_number(status[0], "Threads:"),
        processes=len(processes),
    )


def _children(pid: int) -> list[int]:
    found = itertools.chain.from_iterable(
        task.joinpath("children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()
    )
    return [int(child) for child in found]


def _number(status: str, name: str) -> int:
    return int(status.split(name)[1].split()[0])


class Soak:
    """Callers of three kinds, against one dataset.

    Args:
        good: pictures by a name of their own.
        bad: what is refused: form fields, bytes of the picture and the status that is due.
    """

    def __init__(
        self,
        service: RunningService,
        dataset: str,
        good: Mapping[str, bytes],
        bad: Sequence[tuple[Mapping[str, str], bytes, int]],
    ) -> None:
        self._service, self._dataset, self._bad = service, dataset, bad
        self._good = good
        self._salts = itertools.count(1)
        self._expected = {name: self._answer(data) for name, data in good.items()}
        self._ending = threading.Event()
        self.findings = Findings()

    def run(self, seconds: float, good_callers: int = 3) -> Findings:
        kinds: list[Callable[[random.Random], None]] = [self._one_good] * good_callers
        kinds += [self._one_bad, self._one_cancelled]
        with ThreadPoolExecutor(len(kinds)) as pool:
            calls = [pool.submit(self._repeat, kind, random.Random(place)) for place, kind in enumerate(kinds)]
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s and not any(call.done() for call in calls):
                self.findings.samples.append(sample(self._service.process.pid))
                self._ending.wait(SAMPLE_EVERY_S)
            self._ending.set()
        for call in calls:
            call.result()
        return self.findings

    def _repeat(self, kind: Callable[[random.Random], None], choice: random.Random) -> None:
        while not self._ending.is_set():
            kind(choice)

    def _post(self, fields: Mapping[str, str], data: bytes) -> httpx.Response:
        files = {"image": ("a", data)}
        return httpx.post(f"{self._service.url}/classify", files=files, data=dict(fields), timeout=WAIT_S)

    def _answer(self, data: bytes) -> tuple[str, float]:
        response = self._post({"dataset": self._dataset}, data)
        assert response.status_code == 200, response.text
        return response.json()["label"], response.json()["confidence"]

    def _one_good(self, choice: random.Random) -> None:
        """Half of them are pictures seen before."""
        name = choice.choice(list(self._good))
        salt = choice.choice([b"", next(self._salts).to_bytes(8, "big")])
        response = self._post({"dataset": self._dataset}, self._good[name] + salt)
        self.findings.statuses[response.status_code] += 1
        if response.status_code == 200:
            label, confidence = self._expected[name]
            found = response.json()
            if found["label"] != label or abs(found["confidence"] - confidence) > TOLERANCE:
                self.findings.wrong.append(f"{name}: {found['label']} {found['confidence']}, not {label} {confidence}")

    def _one_bad(self, choice: random.Random) -> None:
        fields, data, due = choice.choice(self._bad)
        response = self._post({"dataset": self._dataset} | dict(fields), data)
        self.findings.statuses[response.status_code] += 1
        if response.status_code != due:
            self.findings.wrong.append(f"{response.status_code} in place of {due}: {response.text[:200]}")
        self._ending.wait(0.05)  # refusals are quick: without a pause nothing else would be done

    def _one_cancelled(self, choice: random.Random) -> None:
        """The connection is closed somewhere in the request, or while the answer is waited for."""
        data = self._good[choice.choice(list(self._good))] + next(self._salts).to_bytes(8, "big")
        head = (
            f"POST /classify?dataset={self._dataset} HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        ).encode()
        request = head + data
        with socket.create_connection(("127.0.0.1", self._service.port), timeout=WAIT_S) as connection:
            connection.sendall(request[: choice.randrange(1, len(request) + 1)] if choice.random() < 0.5 else request)
            self._ending.wait(choice.uniform(0, 0.4))
        self.findings.cancelled += 1
