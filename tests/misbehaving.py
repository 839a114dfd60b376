"""A real HTTP server that does what it is told, request by request: refuse, break off, answer nonsense, or answer."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Act = Callable[[BaseHTTPRequestHandler], None]
SCORES = [{"label": "cat", "confidence": 0.75}]
ANSWER: dict[str, Any] = {
    "request_id": "one",
    "dataset": "pets",
    "dataset_version": "abc",
    "label": "cat",
    "confidence": 0.75,
    "abstained": False,
    "presence": 0.3,
    "branch": "full",
    "fusion": "max_confidence",
    "reason": "full alone",
    "fallback": None,
    "box": {"x0": 1.0, "y0": 2.0, "x1": 3.0, "y1": 4.0, "score": 0.5, "prompt": None},
    "scores": SCORES,
    "branches": {"full": {"label": "cat", "confidence": 0.75, "scores": SCORES}, "fg": None},
    "image": {"width": 8, "height": 8},
    "metadata": None,
    "cascade": None,
    "objects": None,
    "candidates": None,
    "embeddings": None,
    "cached": False,
    "models": {"localizer": "a", "encoder": "b"},
    "timings_ms": {"total": 1.0},
}


def send(handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def answers(document: Any = ANSWER) -> Act:
    body = json.dumps(document).encode()
    return lambda handler: send(handler, 200, "application/json", body, {})


def refuses(status: int, code: str = "overloaded", **headers: str) -> Act:
    body = json.dumps({"status": status, "code": code, "detail": f"it is {code}", "request_id": "r"}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: send(handler, status, "application/problem+json", body, named)


def shows(status: int, page: str) -> Act:
    return lambda handler: send(handler, status, "text/html", page.encode(), {})


def resets(handler: BaseHTTPRequestHandler) -> None:
    """The connection ends without an answer, with a reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


class Misbehaving:
    """`seen`: method, path, headers and body of every request; the last act is repeated."""

    def __init__(self, acts: Sequence[Act]) -> None:
        self._acts, self._lock = list(acts), threading.Lock()
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, ValueError):  # of a connection that was reset
                    self.close_connection = True

            def finish(self) -> None:
                with suppress(OSError, ValueError):
                    super().finish()

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer._lock:
                    outer.seen.append((self.command, self.path, dict(self.headers), body))
                    act = outer._acts.pop(0) if len(outer._acts) > 1 else outer._acts[0]
                act(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def run(self) -> None:
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def misbehaving(*acts: Act) -> Iterator[Misbehaving]:
    server = Misbehaving(acts)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
