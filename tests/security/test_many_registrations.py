"""Many who register at once, over real sockets, while the text encoder stands still: some wait, the others are refused,
and nobody else notices."""

import json
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from fastapi import FastAPI
from listening import Caller, Listening, listening, until  # type: ignore[import-not-found]
from timed_service import Brightness, Timed  # type: ignore[import-not-found]

from service.api.state import Parts
from service.app import create_app
from service.engine import Engine
from service.lines import Line
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.parts import assemble
from service.recognizer import Recognizer
from service.settings import Settings, load_settings
from service.stages.options import Limits

WAIT_S = 20
AT_WORK, WAITING = 4, 32
CALIBRATING, WAIT_TO_CALIBRATE = 2, 4


class GatedTexts(Brightness):
    """Embeds texts only while the gate is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        assert self.open.wait(WAIT_S)
        return super().embed_texts(texts)


@dataclass(frozen=True)
class Gated:
    encoder: GatedTexts
    app: FastAPI
    server: Listening

    @property
    def line(self) -> Line:
        changing: Line = self.app.state.service.parts.changing
        return changing

    @property
    def calibrating(self) -> Line:
        line: Line = self.app.state.service.parts.calibrating
        return line

    def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> int:
        with self.server.caller() as caller:
            return self.begin(caller, method, path, body, content_type).answer().status

    def begin(
        self, caller: Caller, method: str, path: str, body: bytes = b"", content_type: str = "application/json"
    ) -> Caller:
        fields = f"Host: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
        return caller.say(f"{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body)


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    encoder = GatedTexts()

    def load(settings: Settings) -> Parts:
        recognizer = Recognizer(Timed(0), encoder, Limits(threads=1))
        hardware = Hardware("cpu", False, 1)
        return assemble(settings, Engine(recognizer, hardware, MODELS["u2netp"], MODELS["embedded"], None))

    app = create_app(load_settings(data_dir=tmp_path_factory.mktemp("data")), load=load)
    with listening(app, lifespan="on") as server:
        until(app.state.service.loaded.is_set)
        gated = Gated(encoder, app, server)
        assert gated.ask("POST", "/datasets", content("two")) == 201
        yield gated


@pytest.fixture(autouse=True)
def _open_at_the_end(gated: Gated) -> Iterator[None]:
    gated.encoder.open.clear()
    yield
    gated.encoder.open.set()
    until(lambda: gated.server.crowd.size == 0)


def content(name: str) -> bytes:
    return json.dumps({"name": name, "classes": ["bright", "dark", f"a thing of {name}"]}).encode()


def test_some_registrations_wait_others_are_refused_and_nobody_else_notices(
    gated: Gated, photographs: dict[str, bytes]
) -> None:
    names = [f"many-{number}" for number in range(AT_WORK + WAITING + 24)]
    callers = {name: gated.server.caller() for name in names}
    for number, (name, caller) in enumerate(callers.items()):
        method, path = ("POST", "/datasets") if number % 2 else ("PUT", f"/datasets/{name}")
        gated.begin(caller, method, path, content(name))
    until(lambda: gated.line.waiting == WAITING)
    refused: dict[str, int] = {}
    while len(refused) < 24:
        ready, _, _ = select.select([callers[name].connection for name in set(names) - set(refused)], [], [], WAIT_S)
        assert ready
        for name in names:
            if callers[name].connection in ready:
                answer = callers[name].answer()
                assert int(answer.headers["retry-after"]) >= 1
                refused[name] = answer.status
    assert set(refused.values()) == {503}
    started_s = time.monotonic()
    for path in ("/livez", "/readyz", "/startupz", "/healthz", "/models", "/datasets", "/datasets/two",
                 "/datasets/two/versions"):  # fmt: skip
        assert gated.ask("GET", path) == 200
    assert gated.ask("POST", "/classify?dataset=two", photographs["rocket"], "image/jpeg") == 200
    assert time.monotonic() - started_s < 5
    gated.encoder.open.set()
    kept = [name for name in names if name not in refused]
    assert {callers[name].answer().status for name in kept} == {201}
    assert {gated.ask("GET", f"/datasets/{name}") for name in kept} == {200}
    assert {gated.ask("GET", f"/datasets/{name}") for name in refused} == {404}
    for caller in callers.values():
        caller.connection.close()


def test_who_leaves_the_line_registers_nothing_and_keeps_no_place(gated: Gated) -> None:
    at_work = [gated.server.caller() for _ in range(AT_WORK)]
    for number, caller in enumerate(at_work):
        gated.begin(caller, "POST", "/datasets", content(f"patient-{number}"))
    until(lambda: gated.server.crowd.size == AT_WORK and gated.server.crowd.idle == 0)
    leaving = [gated.server.caller() for _ in range(WAITING)]
    for number, caller in enumerate(leaving):
        gated.begin(caller, "POST", "/datasets", content(f"leaving-{number}"))
    until(lambda: gated.line.waiting == WAITING)
    for caller in leaving:
        caller.connection.close()
    until(lambda: gated.line.waiting == 0)
    gated.encoder.open.set()
    assert {caller.answer().status for caller in at_work} == {201}
    assert {gated.ask("GET", f"/datasets/leaving-{number}") for number in range(WAITING)} == {404}
    for caller in at_work:
        caller.connection.close()


def labelled() -> bytes:
    """Twelve pictures of each of two classes, as the encoder sees them."""
    vectors = {"bright": lambda part: [1.0, part], "dark": lambda part: [part, 1.0]}
    items = [
        {"label": label, "embeddings": {"full": vector(number / 20)}}
        for label, vector in vectors.items()
        for number in range(12)
    ]
    return json.dumps({"items": items, "branches": ["full"], "learn": False}).encode()


@contextmanager
def fitting_stands_still(line: Line) -> Iterator[None]:
    gate = threading.Event()
    held = line.submit(gate.wait, WAIT_S)
    try:
        yield
    finally:
        gate.set()
        assert held.result()


def test_who_leaves_a_calibration_makes_no_version_and_keeps_no_place(gated: Gated) -> None:
    """Whether he waits for a place or has one."""
    line = gated.calibrating
    gated.encoder.open.set()
    assert gated.ask("POST", "/datasets", content("left")) == 201

    def crowd(dataset: str) -> list[Caller]:
        """As many as are not refused, two of them at work."""
        callers = [gated.server.caller() for _ in range(CALIBRATING + WAIT_TO_CALIBRATE)]
        for caller in callers:
            gated.begin(caller, "POST", f"/datasets/{dataset}/calibration", labelled())
        until(lambda: line.waiting == WAIT_TO_CALIBRATE)
        assert gated.ask("POST", f"/datasets/{dataset}/calibration", labelled()) == 503
        return callers

    with fitting_stands_still(line):
        callers = crowd("left")
        for caller in callers[CALIBRATING:]:
            caller.connection.close()
        until(lambda: line.waiting == 0)
        for caller in callers[:CALIBRATING]:
            caller.connection.close()
        until(lambda: gated.server.crowd.size == 0)
        patient = crowd("two")
    assert [caller.answer().status for caller in patient] == [201] * len(patient)
    for caller in patient:
        caller.connection.close()
    with gated.server.caller() as caller:
        versions = json.loads(gated.begin(caller, "GET", "/datasets/left/versions").answer().body)["versions"]
    assert [version["origin"] for version in versions] == ["registered"]
