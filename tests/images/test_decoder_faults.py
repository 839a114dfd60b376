"""What happens in a decoder process costs its own picture an error, and the service nothing."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from image_files import FILES, RGB

from service.errors import ImageUnreadable, Overloaded
from service.images.decoder_state import DecoderState
from service.images.processes import DecoderProcesses
from service.images.wire import ANSWER, PICTURE, REFUSAL

BAD = (sys.executable, str(Path(__file__).with_name("bad_worker.py")))
PNG = FILES["png"]
WAIT_S = 30
MEMORY_BYTES = 512 * 2**20


def until(condition: Callable[[], bool]) -> None:
    patience = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def cpu_s(pids: Sequence[int]) -> float:
    return sum(psutil.Process(pid).cpu_times().user for pid in pids)


def is_busy(pids: Sequence[int], since_s: float) -> bool:
    """What hangs here does so busily."""
    return cpu_s(pids) > since_s + 0.2


def told(order: bytes) -> bytes:
    return PNG + b"#" + order


@pytest.fixture(scope="module")
def shared() -> Iterator[DecoderProcesses]:
    processes = DecoderProcesses(1, timeout_s=WAIT_S, memory_bytes=MEMORY_BYTES, command=BAD)
    yield processes
    processes.close()


@pytest.fixture
def decoders(shared: DecoderProcesses) -> Iterator[DecoderProcesses]:
    """One process, which decodes rightly before and after."""
    assert np.array_equal(shared.decode(PNG).rgb, RGB)
    yield shared
    assert np.array_equal(shared.decode(PNG).rgb, RGB)


@pytest.mark.parametrize(
    ("order", "words", "reason"),
    [
        (b"abort", "died of this image", "ended by signal 6"),
        (b"exit", "died of this image", "ended with status 3"),
        (b"eat", "more memory", "out of memory"),
        (b"raise why", "failed at this image", "KeyError: 'why'"),
    ],
)
def test_only_the_picture_at_fault_is_refused_and_the_log_names_it_by_its_digest(
    decoders: DecoderProcesses, caplog: pytest.LogCaptureFixture, order: bytes, words: str, reason: str
) -> None:
    [before], state = decoders.pids, decoders.state()
    with caplog.at_level(logging.WARNING), pytest.raises(ImageUnreadable, match=words):
        decoders.decode(told(order))
    assert decoders.pids != [before]
    assert has_ended(before)
    died = order in (b"abort", b"exit")
    assert [vars(record)["decoded_again"] for record in caplog.records] == ([True, False] if died else [False])
    assert decoders.state() == DecoderState(wanted=1, alive=1, replaced=state.replaced + len(caplog.records))
    for record in caplog.records:
        assert vars(record)["sha256"] == hashlib.sha256(told(order)).hexdigest()
        assert vars(record)["reason"] == reason


def test_a_picture_whose_process_died_is_tried_once_more(decoders: DecoderProcesses, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert np.array_equal(decoders.decode(told(b"abort-once " + os.fsencode(mark))).rgb, RGB)
    assert mark.exists()


def test_what_hangs_is_ended_and_others_do_not_wait_for_it() -> None:
    processes = DecoderProcesses(2, timeout_s=1.5, command=BAD)
    processes.wait_ready()
    with ThreadPoolExecutor(1) as thread:
        hanging = thread.submit(processes.decode, told(b"hang"))
        for _ in range(3):
            assert np.array_equal(processes.decode(PNG).rgb, RGB)
        assert not hanging.done()
        with pytest.raises(ImageUnreadable, match=r"longer than 1\.5 s to decode"):
            hanging.result(WAIT_S)
    assert np.array_equal(processes.decode(PNG).rgb, RGB)
    processes.close()


def picture_head(*numbers: int) -> bytes:
    return ANSWER.pack(PICTURE, 0, *numbers)


@pytest.mark.parametrize(
    "said",
    [
        b"\xff" * ANSWER.size,
        ANSWER.pack(77, 0, 0, 0, 0, 0),
        ANSWER.pack(REFUSAL, 99, 3, 0, 0, 0) + b"why",
        ANSWER.pack(REFUSAL, 0, 2**32 - 1, 0, 0, 0),
        picture_head(0, 5, 5, 5),
        picture_head(5, 5, 5, 4),
        picture_head(5, 5, 4, 5),
        picture_head(2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1),
        picture_head(20_000, 20_000, 20_000, 20_000),
    ],
)
def test_answers_that_cannot_be_are_not_believed(decoders: DecoderProcesses, said: bytes) -> None:
    [before] = decoders.pids
    with pytest.raises(ImageUnreadable, match="no sound answer"):
        decoders.decode(told(b"say " + said.hex().encode()))
    assert has_ended(before)


def test_a_text_of_an_untrusted_process_is_kept_in_one_line(decoders: DecoderProcesses) -> None:
    text = b"line\r\nline\x1b[31m"
    said = ANSWER.pack(REFUSAL, 0, len(text), 0, 0, 0) + text
    with pytest.raises(ImageUnreadable, match=r"line\?\?line\?\[31m"):
        decoders.decode(told(b"say " + said.hex().encode()))


def test_what_is_said_unasked_is_not_taken_for_the_next_pictures_answer(decoders: DecoderProcesses) -> None:
    own = picture_head(1, 1, 1, 1) + b"\1\2\3"  # and then comes the real one
    [before] = decoders.pids
    assert decoders.decode(told(b"say " + own.hex().encode())).rgb.tolist() == [[[1, 2, 3]]]
    until(lambda: np.array_equal(decoders.decode(PNG).rgb, RGB) and has_ended(before))


@pytest.mark.parametrize("waits", [False, True])
def test_an_idle_process_that_is_killed_is_replaced(decoders: DecoderProcesses, waits: bool) -> None:
    [before] = decoders.pids
    os.kill(before, signal.SIGKILL)
    if waits:  # nobody needs it, and yet it is replaced
        until(lambda: decoders.pids != [before] and bool(decoders.pids))
        assert not psutil.pid_exists(before)
    assert np.array_equal(decoders.decode(PNG).rgb, RGB)


def test_signals_meant_for_the_service_do_not_end_its_decoders(decoders: DecoderProcesses) -> None:
    before = decoders.pids
    for sent in (signal.SIGINT, signal.SIGTERM):
        os.kill(before[0], sent)
    assert np.array_equal(decoders.decode(PNG).rgb, RGB)
    assert decoders.pids == before


def test_a_process_that_does_not_start_is_said_to_be_missing() -> None:
    for command in ((sys.executable, "-c", "raise SystemExit(5)"), ("/no/such/program",)):
        processes = DecoderProcesses(1, command=command)
        with pytest.raises(Overloaded, match="can be started"):
            processes.decode(PNG)
        processes.close()


def test_the_end_waits_for_nothing_that_hangs() -> None:
    own = psutil.Process()
    before = own.num_fds()
    processes = DecoderProcesses(2, timeout_s=WAIT_S, command=BAD)
    processes.wait_ready()
    pids, before_s = processes.pids, cpu_s(processes.pids)
    with ThreadPoolExecutor(1) as thread:
        hanging = thread.submit(processes.decode, told(b"hang"))
        until(lambda: is_busy(pids, before_s))
        start_s = time.monotonic()
        processes.close()
        assert time.monotonic() - start_s < 1
        with pytest.raises(Overloaded, match="stopping"):
            hanging.result(WAIT_S)
    with pytest.raises(Overloaded, match="stopping"):
        processes.decode(PNG)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert own.num_fds() == before


def test_files_and_processes_stay_as_many_over_pictures_good_and_bad(decoders: DecoderProcesses) -> None:
    def counts() -> tuple[int, int, int]:
        own = psutil.Process()
        return own.num_fds(), len(own.children(recursive=True)), threading.active_count()

    before = counts()
    for number in range(200):
        if number % 50 == 7:
            with pytest.raises(ImageUnreadable):
                decoders.decode(told(b"exit"))
        decoders.decode(PNG)
    assert counts() == before
    [pid] = decoders.pids
    assert psutil.Process(pid).num_fds() < 12


ORPHANS = """
import sys, threading
from service.images.processes import DecoderProcesses
processes = DecoderProcesses(2, timeout_s=2, command=sys.argv[1:3])
processes.wait_ready()
print(*processes.pids, flush=True)
processes.decode(bytes.fromhex(sys.argv[3]))
"""


@pytest.mark.thorough
def test_a_service_that_is_killed_leaves_no_orphan_not_even_one_that_hangs() -> None:
    arguments = [sys.executable, "-c", ORPHANS, *BAD, told(b"hang").hex()]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as service:
        assert service.stdout is not None
        pids = [int(pid) for pid in service.stdout.readline().split()]
        assert len(pids) == 2
        before_s = cpu_s(pids)
        until(lambda: is_busy(pids, before_s))
        service.kill()
    until(lambda: all(has_ended(pid) for pid in pids))
