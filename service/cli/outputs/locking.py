"""A file of answers is written by one run at a time."""

import errno
import os
import sys
from io import FileIO
from pathlib import Path

from service.errors import OutputRefused, ServiceError, StorageFull

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def behind_links(path: Path) -> Path:
    """The file itself, to be replaced in place of a link that somebody has laid to it."""
    return Path(os.path.realpath(path))


def refusal(path: Path, error: OSError) -> ServiceError:
    kind = StorageFull if error.errno in FULL else OutputRefused
    return kind(f"{path} cannot be written: {error.strerror}")


def locked(path: Path, mode: str) -> FileIO:
    """The file, which nobody else may write until it is closed; where the disk knows no locks, without.

    Raises:
        OutputRefused: another process is writing it. OSError.
    """
    if sys.platform == "win32":
        return FileIO(path, mode)
    import fcntl

    while True:
        stream = FileIO(path, mode)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            raise OutputRefused(
                f"{path} is being written by another run; it can be continued when that has ended"
            ) from None
        except OSError:
            return stream
        if path.exists() and os.path.samestat(path.stat(), os.fstat(stream.fileno())):
            return stream
        stream.close()  # whoever held it before has put another file in its place
