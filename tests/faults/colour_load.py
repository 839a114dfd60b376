"""Callers who send pictures of one colour to a light service, and remember every answer."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from light_models import COLOURS, Colour, picture_of  # type: ignore[import-not-found]

WAIT_S = 30


def register(url: str) -> None:
    answer = httpx.post(f"{url}/datasets", json={"name": "colours", "classes": list(COLOURS)}, timeout=WAIT_S)
    assert answer.status_code in (200, 201), answer.text


def ask(url: str, colour: Colour, salt: int = 0, timeout_s: float = WAIT_S) -> httpx.Response:
    files = {"image": ("a.png", picture_of(colour, salt))}
    return httpx.post(f"{url}/classify", files=files, data={"dataset": "colours"}, timeout=timeout_s)


@dataclass
class Answers:
    """statuses: how often each came, 0 for a connection that failed; wrong: answers with another label than the
    picture's colour."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    more: threading.Condition = field(default_factory=threading.Condition)

    def add(self, status: int, expected: str, label: str | None) -> None:
        with self.more:
            self.statuses[status] += 1
            if status == 200 and label != expected:
                self.wrong.append(f"{label} for {expected}")
            self.more.notify_all()

    def wait_for(self, further: int) -> None:
        """Until so many more right answers have come."""
        with self.more:
            goal = self.statuses[200] + further
            assert self.more.wait_for(lambda: self.statuses[200] >= goal, WAIT_S), self.statuses


@contextmanager
def callers(url: str, count: int = 6) -> Iterator[Answers]:
    """They send one picture after the other, on new connections, until the block ends."""
    answers, ending, salts = Answers(), threading.Event(), itertools.count(1)

    def call(place: int) -> None:
        names = itertools.islice(itertools.cycle(COLOURS), place % len(COLOURS), None)
        while not ending.is_set():
            name = next(names)
            try:
                response = ask(url, COLOURS[name], next(salts))
            except httpx.TransportError:
                answers.add(0, name, None)
                continue
            label = response.json().get("label") if response.status_code == 200 else None  # a balancer's are no JSON
            answers.add(response.status_code, name, label)

    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(call, place) for place in range(count)]
        try:
            yield answers
        finally:
            ending.set()
    for finished in calls:
        finished.result()
