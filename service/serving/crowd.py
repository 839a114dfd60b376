"""All connections of one server, and who must go when there are too many."""

from typing import Protocol

MOST_OUTSIDE = 64


class Connection(Protocol):
    def make_room(self) -> None:
        """Close at once, without a word."""
        ...


class Crowd:
    """Counts connections; those without a request in progress wait in the order in which that began.

    A connection keeps its place in that order whatever it sends, so that one who sends a head byte by byte is the first
    to go. Those refused are outside: they may take leave, but only so many at a time.
    """

    def __init__(self, max_connections: int) -> None:
        self._most = max_connections
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # in order of arrival
        self._outside: dict[Connection, None] = {}

    @property
    def size(self) -> int:
        return len(self._all)

    @property
    def idle(self) -> int:
        return len(self._idle)

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for it, or could be made."""
        if len(self._all) >= self._most:
            if not self._idle:
                if len(self._outside) >= MOST_OUTSIDE:
                    self._end_oldest(self._outside)
                self._outside[connection] = None
                return False
            self._end_oldest(self._idle)
        self._all.add(connection)
        self._idle[connection] = None
        return True

    def set_idle(self, connection: Connection, idle: bool) -> None:
        """Whether it has no request in progress."""
        if connection not in self._all:
            return
        if idle:
            self._idle.setdefault(connection)
        else:
            self._idle.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._idle.pop(connection, None)
        self._outside.pop(connection, None)

    def _end_oldest(self, waiting: dict[Connection, None]) -> None:
        oldest = next(iter(waiting))
        self.leave(oldest)
        oldest.make_room()
