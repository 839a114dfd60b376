"""Bounds of the connections of one server."""

import sys
from dataclasses import dataclass

BACKLOG = 512  # connections that may wait to be accepted; the event loop accepts as many at a time
OTHER_FILES = 128  # databases, models, logs


@dataclass(frozen=True)
class ConnectionLimits:
    """Times in seconds. head_timeout_s: for a request's head from its first byte on, of a new connection from its start
    on. write_timeout_s: for a caller who does not read. max_connections: at a time. max_body_bytes: as the application
    accepts them; of a refused one twice as much is read at most."""

    head_timeout_s: float = 10.0
    write_timeout_s: float = 30.0
    max_connections: int = 1000
    max_head_bytes: int = 32 * 2**10
    max_headers: int = 100
    max_body_bytes: int = 32 * 2**20

    def __post_init__(self) -> None:
        if min(self.head_timeout_s, self.write_timeout_s) <= 0:
            raise ValueError("time-outs are longer than nothing")
        if min(self.max_connections, self.max_head_bytes, self.max_headers) < 1:
            raise ValueError("bounds are at least 1")


def connections_within(asked: int, open_files: int) -> int:
    """As many as asked, or as `open_files` leaves room for besides what else the process opens."""
    return min(asked, max(open_files // 2, open_files - OTHER_FILES - BACKLOG))


def raise_open_files() -> int:
    """Let the process have as many open files as it may; returns how many."""
    if sys.platform == "win32":
        return 2**31  # sockets are no files there
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 2**20)
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return 2**31 if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS allows less than it says
        return soft
    return wanted
