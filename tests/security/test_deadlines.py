"""Deadlines over real sockets, and what a caller who leaves gives back, against models held at a gate."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from listening import Answer, Listening, listening, until  # type: ignore[import-not-found]
from timed_service import Timed, timed_app  # type: ignore[import-not-found]

from service.api.state import State
from service.settings import load_settings


@dataclass(frozen=True)
class Held:
    """A service whose localizer waits at a gate."""

    localizer: Timed
    app: FastAPI
    server: Listening

    def holds(self) -> tuple[int, int, int]:
        """Pictures inside, bytes of bodies, connections."""
        state: State = self.app.state.service
        assert state.parts is not None
        return state.parts.recognizer.admission.occupancy.inside, state.bodies.bytes, self.server.crowd.size


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    localizer = Timed(0.01)
    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"), queue_items=40, request_timeout_s=50)
    app = timed_app(localizer, settings)
    with listening(app, lifespan="on") as server:
        until(app.state.service.loaded.is_set)
        document = json.dumps({"name": "two", "classes": ["bright", "dark"]}).encode()
        with server.caller() as caller:
            assert caller.say(request("/datasets", document, "application/json")).answer().status == 201
        yield Held(localizer, app, server)
        localizer.open.set()


@pytest.fixture(autouse=True)
def _empty(held: Held) -> Iterator[None]:
    held.localizer.open.clear()
    yield
    held.localizer.open.set()
    until(lambda: held.holds() == (0, 0, 0))


def request(path: str, body: bytes, content_type: str = "image/jpeg", **headers: Any) -> bytes:
    fields = {"Host": "localhost", "Content-Type": content_type, "Content-Length": len(body)}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def picture(body: bytes, **headers: Any) -> bytes:
    return request("/classify?dataset=two", body, **headers)


def batch(body: bytes, count: int, **headers: Any) -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n' + body + b"\r\n"
    field = b'--x\r\nContent-Disposition: form-data; name="dataset"\r\n\r\ntwo\r\n'
    return request("/classify/batch", part * count + field + b"--x--\r\n", "multipart/form-data; boundary=x", **headers)


def code_of(answer: Answer) -> str:
    code: str = json.loads(answer.body)["code"]
    return code


@pytest.mark.parametrize(
    "given", ["0", "-1", "+5", "1.5", "1e3", "soon", "", "9" * 13, "5, 6", "²", "5\r\nX-Request-Timeout-Ms: 6"]
)
def test_a_time_that_is_none_is_refused_by_its_name(held: Held, photographs: dict[str, bytes], given: str) -> None:
    with held.server.caller() as caller:
        answer = caller.say(picture(photographs["rocket"], X_Request_Timeout_Ms=given)).answer()
    assert (answer.status, code_of(answer)) == (400, "malformed_request")
    assert "X-Request-Timeout-Ms must be a whole number" in json.loads(answer.body)["detail"]


def test_an_answer_that_does_not_come_in_the_callers_time_is_given_up(
    held: Held, photographs: dict[str, bytes]
) -> None:
    with held.server.caller() as caller:
        answer = caller.say(picture(photographs["rocket"], X_Request_Timeout_Ms=100)).answer()
        assert (answer.status, code_of(answer)) == (504, "deadline_exceeded")
        assert "0.1 s" in json.loads(answer.body)["detail"]


def test_who_cannot_be_answered_in_time_is_refused_before_his_body_is_read(
    held: Held, photographs: dict[str, bytes]
) -> None:
    whole = picture(photographs["rocket"], X_Request_Timeout_Ms=40)
    head = whole[: whole.index(b"\r\n\r\n") + 4]
    waiting = [held.server.caller().say(picture(photographs["rocket"])) for _ in range(10)]
    until(lambda: held.holds()[0] == 10)
    with held.server.caller() as caller:
        answer = caller.say(head).answer()
        assert (answer.status, code_of(answer)) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        assert caller.say(whole[len(head) :] + head).answer().status == 503  # the same connection, after the body
    held.localizer.open.set()
    assert [caller.answer().status for caller in waiting] == [200] * 10
    for caller in waiting:
        caller.connection.close()
    until(lambda: held.holds() == (0, 0, 0))
    with held.server.caller() as caller:
        assert caller.say(picture(photographs["coffee"], X_Request_Timeout_Ms=20_000)).answer().status == 200


def test_a_batch_counts_as_many_pictures_as_it_holds(held: Held, photographs: dict[str, bytes]) -> None:
    with held.server.caller() as first, held.server.caller() as second:
        first.say(batch(photographs["rocket"], 30))
        until(lambda: held.holds()[0] == 30)
        answer = second.say(batch(photographs["rocket"], 11)).answer()
        assert (answer.status, code_of(answer)) == (503, "overloaded")
        second.say(batch(photographs["rocket"], 10))
        until(lambda: held.holds()[0] == 40)
        held.localizer.open.set()
        for caller in (first, second):
            answer = caller.answer()
            assert answer.status == 200
            assert all("result" in entry for entry in json.loads(answer.body)["results"])


def test_a_batch_is_taken_whole_by_who_is_idle_and_else_refused_whole(
    tmp_path: Path, photographs: dict[str, bytes]
) -> None:
    """Here of more pictures than may wait."""
    localizer = Timed(0.001)
    app = timed_app(localizer, load_settings(data_dir=tmp_path, queue_items=2))
    with listening(app, lifespan="on") as server, server.caller() as first, server.caller() as second:
        until(app.state.service.loaded.is_set)
        document = json.dumps({"name": "two", "classes": ["bright", "dark"]}).encode()
        assert first.say(request("/datasets", document, "application/json")).answer().status == 201
        localizer.open.clear()
        before = localizer.located
        first.say(batch(photographs["rocket"], 9))
        until(lambda: app.state.service.parts.recognizer.admission.occupancy.inside == 9)
        answer = second.say(batch(photographs["coffee"], 2)).answer()
        assert (answer.status, code_of(answer)) == (503, "overloaded")
        localizer.open.set()
        results = json.loads(first.answer().body)["results"]
        assert [sorted(entry) for entry in results] == [["index", "result"]] * 9
        assert localizer.located == before + 9


@pytest.mark.parametrize("several", [False, True])
def test_who_leaves_gives_everything_back_at_once(held: Held, photographs: dict[str, bytes], several: bool) -> None:
    sent = batch(photographs["rocket"], 5) if several else picture(photographs["rocket"])
    with held.server.caller() as caller:
        caller.say(sent)
        until(lambda: held.holds()[0] == (5 if several else 1))
        assert held.holds()[1] >= len(photographs["rocket"])
    until(lambda: held.holds() == (0, 0, 0))
    located = held.localizer.located
    held.localizer.open.set()
    with held.server.caller() as other:
        assert other.say(picture(photographs["chelsea"])).answer().status == 200
    assert held.localizer.located <= located + 3  # what had begun, and the other's


def test_who_leaves_in_the_middle_of_his_body_leaves_nothing(held: Held, photographs: dict[str, bytes]) -> None:
    for sent in (picture(photographs["rocket"]), batch(photographs["rocket"], 2)):
        with held.server.caller() as caller:
            caller.say(sent[: len(sent) // 2])
            until(lambda: held.holds()[1] > 0)
        until(lambda: held.holds() == (0, 0, 0))
