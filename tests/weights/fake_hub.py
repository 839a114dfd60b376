"""A model hub on 127.0.0.1 that speaks the endpoints the hub client uses, and can misbehave on demand."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

REPO = "lab/eyes"
FIRST, SECOND = "a" * 40, "b" * 40


@dataclass(frozen=True)
class Seen:
    """One request for a file's bytes."""

    path: str
    range: str | None
    headers: dict[str, str]


@dataclass
class FakeHub:
    """`commits[repo][commit][path]` is content; `branches[repo][name]` a commit.

    `cut_at[path]` closes the connection after so many bytes, once. `hold_at[path]` sends so many bytes, sets `held`,
    waits for `release` and closes, once. `announce[path]` replaces the content that digests are announced for.
    `status[path]` is an HTTP error instead of the file, after its cut if there is one. `plain` files are not in LFS.
    """

    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    cut_at: dict[str, int] = field(default_factory=dict)
    hold_at: dict[str, int] = field(default_factory=dict)
    announce: dict[str, bytes] = field(default_factory=dict)
    announce_size: dict[str, int] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    plain: tuple[str, ...] = ("config.json", "tokenizer/t.json")
    no_ranges: bool = False
    no_digests: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    files_seen: list[Seen] = field(default_factory=list)
    infos_seen: list[Seen] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def __enter__(self) -> "FakeHub":
        hub = self

        class Handler(_Handler):
            owner = hub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def publish(self, repo: str, files: dict[str, bytes], commit: str = FIRST, branch: str = "main") -> None:
        self.commits.setdefault(repo, {})[commit] = files
        self.branches.setdefault(repo, {})[branch] = commit

    def paths_seen(self) -> list[str]:
        return [seen.path for seen in self.files_seen]

    def info(self, repo: str, revision: str) -> dict[str, Any] | None:
        commit = self.branches.get(repo, {}).get(revision, revision)
        files = self.commits.get(repo, {}).get(commit)
        if files is None:
            return None
        return {"id": repo, "sha": commit, "siblings": [self._sibling(name, body) for name, body in files.items()]}

    def _sibling(self, name: str, body: bytes) -> dict[str, Any]:
        body = self.announce.get(name, body)
        size = self.announce_size.get(name, len(body))
        row: dict[str, Any] = {"rfilename": name, "size": size}
        if self.no_digests:
            return row
        row["blobId"] = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        if name not in self.plain:
            row["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": size, "pointerSize": 130}
        return row


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients are killed on purpose


class _Handler(BaseHTTPRequestHandler):
    owner: FakeHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")[1:]]
        if parts[:2] == ["api", "models"] and parts[4:5] == ["revision"]:
            self._info("/".join(parts[2:4]), parts[5])
        elif parts[2:3] == ["resolve"]:
            # as the real hub does, bytes come from another address
            self._answer(302, {"Location": "/cdn/" + self.path[1:]}, b"")
        elif parts[0] == "cdn":
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self.owner.strays.append(self.path)
            self._answer(404, {}, b"{}")

    def _info(self, repo: str, revision: str) -> None:
        self.owner.infos_seen.append(Seen(repo, None, dict(self.headers)))
        info = self.owner.info(repo, revision)
        code = "RepoNotFound" if repo not in self.owner.commits else "RevisionNotFound"
        if info is None:
            self._answer(404, {"X-Error-Code": code, "X-Error-Message": "not found"}, b"{}")
        else:
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(info).encode())

    def _file(self, repo: str, commit: str, name: str) -> None:
        hub, wanted = self.owner, self.headers.get("Range")
        hub.files_seen.append(Seen(name, wanted, dict(self.headers)))
        body = hub.commits.get(repo, {}).get(commit, {}).get(name)
        if body is None or (name in hub.status and name not in hub.cut_at):
            self._answer(hub.status.get(name, 404), {}, b"")
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not hub.no_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut = hub.cut_at.pop(name, None)
        hold = hub.hold_at.pop(name, None)
        stop = cut if cut is not None else hold if hold is not None else len(body)
        self.wfile.write(body[start : max(start, stop)])
        self.wfile.flush()
        if cut is not None:
            self.close_connection = True
        elif hold is not None:
            hub.held.set()
            hub.release.wait()
            self.close_connection = True

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
