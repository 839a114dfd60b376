"""Callers with classes of their own over real sockets, against a text encoder that is held at a gate."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from light_models import COLOURS, ColourEncoder, FaultyLocalizer, picture_of  # type: ignore[import-not-found]
from listening import WAIT_S, Caller, Listening, listening, until  # type: ignore[import-not-found]

from service.api.state import Parts, State
from service.app import create_app
from service.engine import Engine
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.parts import assemble
from service.recognizer import Recognizer
from service.settings import Settings, load_settings
from service.stages.options import Limits

RED = picture_of(COLOURS["red"])
STALL_S = 0.3


class HeldTexts(ColourEncoder):
    """Texts that hold `held` wait at a gate."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Semaphore(0)
        self.calls: list[list[str]] = []

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        if any("held" in text for text in texts):
            self.calls.append(list(texts))
            self.entered.release()
            assert self.open.wait(WAIT_S)
        rows: np.ndarray = super().embed_texts(texts)
        return rows


@dataclass(frozen=True)
class Held:
    encoder: HeldTexts
    app: FastAPI
    server: Listening

    def parts(self) -> Parts:
        state: State = self.app.state.service
        assert state.parts is not None
        return state.parts

    def caller(self, classes: str, **headers: Any) -> Caller:
        """One who has asked."""
        return self.server.caller().say(request(f"/classify?top_k=1&classes={classes}", RED, **headers))


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    encoder = HeldTexts()

    def load(settings: Settings) -> Parts:
        recognizer = Recognizer(FaultyLocalizer(), encoder, Limits(overlap=True))
        return assemble(
            settings, Engine(recognizer, Hardware("cpu", False, 2), MODELS["u2netp"], MODELS["embedded"], None)
        )

    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"), stall_s=STALL_S, canary_interval_s=3600)
    app = create_app(settings, load=load)
    with listening(app, lifespan="on") as server:
        until(app.state.service.loaded.is_set)
        yield Held(encoder, app, server)
        encoder.open.set()


@pytest.fixture(autouse=True)
def _gate(held: Held) -> Iterator[None]:
    held.encoder.open.clear()
    held.encoder.calls.clear()
    yield
    held.encoder.open.set()
    until(lambda: held.parts().recognizer.admission.occupancy.inside == 0)


def request(path: str, body: bytes, **headers: Any) -> bytes:
    fields = {"Host": "localhost", "Content-Type": "image/png", "Content-Length": len(body)}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def entered(held: Held) -> None:
    assert held.encoder.entered.acquire(timeout=WAIT_S)


def test_who_hangs_up_or_is_late_leaves_the_others_alone(held: Held) -> None:
    with held.caller("red,held") as gone, held.caller("red,held") as patient:
        entered(held)
        with held.caller("red,held", X_Request_Timeout_Ms=50) as late:
            answer = late.answer()
            assert (answer.status, json.loads(answer.body)["code"]) == (504, "deadline_exceeded")
        gone.connection.close()
        held.encoder.open.set()
        answer = patient.answer()
        assert (answer.status, json.loads(answer.body)["label"]) == (200, "red")
    assert len(held.encoder.calls) == 1


def test_what_nobody_waits_for_is_given_up(held: Held) -> None:
    with held.caller("held,first") as first:
        entered(held)
        with held.caller("held,second") as second:
            until(lambda: held.parts().adhoc.health().waiting == 1)
            second.connection.close()
            with held.caller("held,third") as third:
                until(lambda: held.parts().adhoc.health().waiting == 2)
                held.encoder.open.set()
                assert {first.answer().status, third.answer().status} == {200}
    assert ["second" in text for call in held.encoder.calls for text in call].count(True) == 0


def test_others_are_answered_meanwhile(held: Held) -> None:
    document = json.dumps({"image": "", "classes": ["x"] * 2000}).encode()
    with held.caller("blue,held") as waiting:
        entered(held)
        with held.server.caller() as caller:
            assert caller.say(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
            refused = caller.say(request("/classify", document, Content_Type="application/json")).answer()
            assert (refused.status, "at most 1000 in a request" in refused.body.decode()) == (422, True)
        held.encoder.open.set()
        assert waiting.answer().status == 200


def test_a_text_encoder_that_hangs_is_noticed(held: Held) -> None:
    with held.caller("green,held") as waiting:
        entered(held)
        until(lambda: "text encoder has been computing" in (held.parts().unready_because() or ""))
        until(lambda: "text encoder hangs" in (held.parts().beyond_help_because() or ""))
        held.encoder.open.set()
        assert waiting.answer().status == 200
    assert held.parts().unready_because() is None
