"""Files that are whole or not there, whatever ends the process."""

from pathlib import Path

UNFINISHED = ".*.part"  # what a killed process may leave behind


def write_whole(path: Path, content: bytes) -> None:
    """All of a file or nothing, in a folder that is made if need be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
