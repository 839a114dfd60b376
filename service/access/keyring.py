"""The keys that count now: read again when their file changes, so that they are changed without a restart."""

import hmac
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from service.access.keyfile import read_keys
from service.access.keys import SCOPES, Key, digest_of
from service.errors import SettingsError

LOOK_EVERY_S = 1.0
log = logging.getLogger(__name__)
Marks = tuple[int, int, int, int]
# Found where no key is, and no more use than one that has expired: both ways are the same, and take the same time.
NOBODY = Key(name="nobody", sha256="0" * 64, scopes=SCOPES, expires=datetime.min.replace(tzinfo=UTC))


def _utc() -> datetime:
    return datetime.now(UTC)


class Keyring:
    """For one thread. `clock` counts seconds, `now` is the time of day that keys expire by."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.monotonic, now: Callable[[], datetime] = _utc
    ) -> None:
        """Raises SettingsError for a file that cannot be read."""
        self._path, self._clock, self._now = path, clock, now
        self._looked_s, self._marks = clock(), _marks(path)
        self._take(read_keys(path))

    def find(self, presented: bytes) -> Key | None:
        """The key whose secret this is, unless it has expired. Takes as long for a wrong secret as for a right one:
        digests are compared, every one of them to the end."""
        self._look()
        digest, now, found = digest_of(presented), self._now(), NOBODY
        for expected, key in self._entries:
            found = key if hmac.compare_digest(expected, digest) else found
        return None if found.has_expired(now) else found

    def _take(self, keys: tuple[Key, ...]) -> None:
        self._entries = [(bytes.fromhex(key.sha256), key) for key in keys]

    def _look(self) -> None:
        """At most once a second, and no more than one `stat` where nothing changed. A file that is broken or gone
        changes nothing: the last good keys go on."""
        if self._clock() - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s, marks = self._clock(), _marks(self._path)
        if marks == self._marks:
            return
        self._marks = marks  # as before it is read: what is written meanwhile is seen at the next look
        try:
            self._take(read_keys(self._path))
        except SettingsError as error:
            log.error("the last good keys go on", extra={"code": error.code, "detail": error.detail})
        else:
            log.info("keys read", extra={"keys": [key.name for _, key in self._entries]})


def _marks(path: Path) -> Marks | None:
    """By which a change is seen; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
