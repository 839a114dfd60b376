"""Which version of a dataset answers now, whichever replica changed that; a database that nobody has changed since is
not asked again."""

import threading

from service.datasets.store import DatasetRow, DatasetStore


class CurrentVersions:
    """For any thread."""

    def __init__(self, store: DatasetStore) -> None:
        self._store, self._lock = store, threading.Lock()
        self._mark: int | None = None  # of the database when `_known` was true
        self._known: dict[str, str] = {}
        store.mark()  # opens what is asked later, when an event loop may wait for it

    def known(self, name: str) -> str | None:
        """The version, told in microseconds; None where it takes a query."""
        mark = self._store.mark()
        with self._lock:
            return self._known.get(name) if mark is not None and mark == self._mark else None

    def read(self, name: str) -> DatasetRow | None:
        """What the database knows of the dataset; nothing of one that is being built is known afterwards."""
        mark = self._store.mark()  # before the query: a change that this does not see makes it another one
        row = self._store.find(name)
        if mark is not None and row is not None and row.current_version and row.pending_version is None:
            with self._lock:
                if mark != self._mark:
                    self._mark, self._known = mark, {}
                self._known[name] = row.current_version
        return row
