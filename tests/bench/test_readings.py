"""What is read of processes and of the machine, and the helper processes themselves."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.bench.machine import machine
from service.bench.noise import LOOPS, Noise, drift
from service.bench.remote import Remote, batch_sizes, class_names
from service.bench.server import Server, free_port
from service.bench.usage import MB, Watch, rss_mb
from service.bench.worker import BenchFailed, Worker
from service.settings import environment_with, load_settings


def test_memory_that_was_taken_and_given_back_is_the_peak_and_not_the_rest() -> None:
    taking = (
        "input(); taken = bytearray(200 * 10**6); taken[::4096] = b'x' * len(taken[::4096]); del taken; "
        "print(flush=True); input()"
    )
    process = subprocess.Popen([sys.executable, "-c", taking], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    watch = Watch([process.pid])
    before = rss_mb([process.pid])
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    usage = watch.read()
    process.communicate(b"\n")
    assert usage.peak_rss_mb is not None
    assert usage.peak_rss_mb >= before + 180
    assert usage.rss_mb < usage.peak_rss_mb - 100
    assert usage.cpu_s >= 0
    assert MB == 1e6


def test_the_work_of_watched_processes_is_counted_from_the_making_on() -> None:
    work = "import time; input(); end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE) as process:
        watch, blind = Watch([process.pid]), Watch([])
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        while watch.read().cpu_s < 0.25:
            assert process.poll() is None
        assert blind.read().cpu_s == 0.0
        process.communicate(b"\n")


def test_a_quiet_machine_is_not_warned_of_and_a_noisy_one_is() -> None:
    noise = Noise(stolen_before_s=None)
    noise.read()
    assert len(noise.loops_ms) == LOOPS
    noise.loops_ms = [10.0] * 90 + [11.0] * 10
    noise.limits_per_s, noise.foreign_cpu = [6.0, 6.3], [0.01, 0.02]
    assert noise.warnings() == []
    noise.loops_ms = [10.0] * 80 + [20.0] * 20
    noise.limits_per_s, noise.foreign_cpu = [6.0, 7.0], [0.5, 0.9]
    assert len(noise.warnings()) == 3
    assert noise.document()["limit_drift"] == pytest.approx(1 / 6)


def test_the_drift_is_the_range_over_the_middle() -> None:
    assert drift([4.0, 5.0, 4.5]) == pytest.approx(1 / 4.5)
    assert drift([4.0]) is None


def test_batch_sizes_are_items_over_batches_between_two_readings() -> None:
    before = {"localizer": (10, 20), "encoder": (5, 5)}
    after = {"localizer": (14, 30), "encoder": (5, 5), "segmenter": (2, 6)}
    assert batch_sizes(before, after) == {"localizer": 2.5, "segmenter": 3.0}


def test_the_datasets_of_a_run_are_its_own_and_none_is_left_at_its_end() -> None:
    kept: dict[str, object] = {"bench": "somebody's own"}

    class Datasets(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            name = self.path.rpartition("/")[2]
            self.rfile.read(int(self.headers["content-length"]))
            if name.endswith("refused"):
                self._say(422)
            else:
                kept[name] = self._say(202)

        def do_GET(self) -> None:
            self._say(200)

        def do_DELETE(self) -> None:
            self._say(200 if kept.pop(self.path.rpartition("/")[2], self) is not self else 404)

        def _say(self, status: int) -> None:
            body = b'{"status": "ready"}'
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Datasets) as server:
        threading.Thread(target=server.serve_forever).start()
        first, second = (Remote(f"http://127.0.0.1:{server.server_port}") for _ in range(2))
        names = [remote.register("one", ["a"]) for remote in (first, second, first)]
        assert len({*names}) == 2
        first.forget(first.register("two", ["a"]))
        with pytest.raises(BenchFailed, match="422"):
            first.register("refused", ["a"])
        first.register("after", ["a"])
        first.close()
        assert kept.keys() == {"bench", names[1]}
        second.close()
        assert kept.keys() == {"bench"}
        server.shutdown()


def test_class_names_are_all_different_and_always_the_same() -> None:
    names = class_names(5000, seed=1)
    assert len(set(names)) == 5000
    assert names == class_names(5000, seed=1)
    assert names != class_names(5000, seed=2)


def test_the_machine_is_described_without_secrets() -> None:
    about = machine(load_settings(database_url="postgresql://user:secret@host/name"))
    assert about["packages"].keys() >= {"numpy", "onnxruntime"}
    assert "secret" not in str(about)
    assert about["usable_processors"] >= 1


def test_a_helper_that_refuses_a_job_says_why_and_one_that_ends_is_told_of(tmp_path: Path) -> None:
    worker = Worker("service.bench.limit", environment_with(models_cache=tmp_path, offline=True))
    with pytest.raises(BenchFailed, match="OFFLINE"):
        worker.ask({"kind": "about"})
    worker.close()
    ended = Worker("service.errors")  # no helper: it ends at once
    with pytest.raises(BenchFailed, match="ended with"):
        ended.ask({})
    ended.close()


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no weights here')"]
    server = Server("the peer", command, free_port(), "/", tmp_path / "log", os.environ)
    with pytest.raises(BenchFailed, match="the peer did not start: no weights here"), server:
        pass
