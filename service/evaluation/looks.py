"""What the models saw of each picture, kept in a file, so that any number of fusions costs one pass."""

import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.datasets.spec import DatasetSpec
from service.errors import FileUnreadable
from service.recognizer import Recognizer
from service.stages.options import Options

Floats = NDArray[np.float32]
COMMIT_EVERY = 16
LOCK_WAIT_S = 1.0
TABLE = (
    "CREATE TABLE IF NOT EXISTS looks (picture TEXT, context TEXT, facts TEXT, vectors BLOB,"
    " PRIMARY KEY (picture, context))"
)
LOOKING = ("box_threshold", "box_margin", "pad_colour", "wide_margin", "blur", "localizer_prompt")  # options of a look


@dataclass(frozen=True, eq=False)
class Looks:
    """One picture: the embeddings `[D]` of the views that could be shown, the fallback if any, and the box's score and
    edges in pixels of the upright original."""

    embeddings: Mapping[str, Floats]
    fallback: str | None
    box_score: float | None
    box_xyxy: tuple[float, ...] | None = field(default=None)


def context_of(recognizer: Recognizer, spec: DatasetSpec, options: Options) -> str:
    """A fingerprint of everything but the picture that an embedding depends on."""
    segmenter = recognizer.segmenter.revision if recognizer.segmenter else None
    names = [name for name in LOOKING if name != "localizer_prompt"]
    parts = {
        "models": [recognizer.localizer.revision, segmenter, recognizer.encoder.revision],
        "prompts": asdict(spec.prompt_set),
        "spec": [getattr(spec, name) for name in names],
        "options": [getattr(options, name) for name in LOOKING],
        "service": [recognizer.limits.box_threshold, recognizer.limits.box_margin],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class LooksFile:
    """Looks by picture (SHA-256 of its bytes) and context; what is kept survives a killed run."""

    def __init__(self, path: Path, context: str) -> None:
        """Raises FileUnreadable, as all methods do, for a file of another kind and one that another process locked."""
        self._path, self._context = path, context
        self._unsaved = 0
        with self._refusing():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=LOCK_WAIT_S)
            try:
                self._connection.execute(TABLE)
                self._connection.execute("SELECT picture, context, facts, vectors FROM looks LIMIT 0")
            except sqlite3.Error:
                self._connection.close()
                raise

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise FileUnreadable(f"{self._path} cannot keep embeddings: {error}") from None

    def __enter__(self) -> "LooksFile":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        with self._refusing():
            try:
                self._connection.commit()
            finally:
                self._connection.close()

    def get(self, picture: str, branches: Sequence[str]) -> Looks | None:
        """What is kept of a picture, if it was asked for all of these branches."""
        query = "SELECT facts, vectors FROM looks WHERE picture = ? AND context = ?"
        with self._refusing():
            row = self._connection.execute(query, (picture, self._context)).fetchone()
        if row is None:
            return None
        facts = json.loads(row[0])
        if not set(branches) <= set(facts["asked"]):
            return None
        with np.load(io.BytesIO(row[1])) as vectors:
            embeddings = {name: vectors[name] for name in vectors.files}
        box = facts["box_xyxy"]
        return Looks(embeddings, facts["fallback"], facts["box_score"], None if box is None else tuple(box))

    def keep(self, picture: str, branches: Sequence[str], looks: Looks) -> None:
        facts = {"asked": list(branches), "fallback": looks.fallback, "box_score": looks.box_score}
        buffer = io.BytesIO()
        vectors: dict[str, Any] = {name: np.asarray(row, np.float32) for name, row in looks.embeddings.items()}
        np.savez(buffer, **vectors)
        values = (picture, self._context, json.dumps(facts | {"box_xyxy": looks.box_xyxy}), buffer.getvalue())
        insert = "INSERT OR REPLACE INTO looks (picture, context, facts, vectors) VALUES (?, ?, ?, ?)"
        with self._refusing():
            self._connection.execute(insert, values)
            self._unsaved += 1
            if self._unsaved >= COMMIT_EVERY:
                self._connection.commit()
                self._unsaved = 0
