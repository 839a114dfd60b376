"""One picture's answer as a record, and as a flat row."""

import json
from dataclasses import dataclass
from typing import Any

from service.client import Answer, Outcome
from service.errors import FileUnreadable, ServiceError

COLUMNS = {
    "path": str,
    "label": str,
    "confidence": float,
    "abstained": bool,
    "presence": float,
    "branch": str,
    "fusion": str,
    "reason": str,
    "fallback": str,
    "x0": float,
    "y0": float,
    "x1": float,
    "y1": float,
    "box_score": float,
    "width": int,
    "height": int,
    "scores": str,
    "branches": str,
    "dataset": str,
    "dataset_version": str,
    "question": str,
    "error_code": str,
    "error": str,
}
OF_ANSWER = ("label", "confidence", "abstained", "presence", "branch", "fusion", "reason", "fallback")


@dataclass(frozen=True)
class Failure:
    code: str
    detail: str


@dataclass(frozen=True)
class Record:
    """`question`: a digest of what was asked about the picture."""

    path: str
    answer: Answer | None
    failure: Failure | None = None
    question: str = ""

    @classmethod
    def of(cls, outcome: Outcome[str], question: str = "") -> "Record":
        error = outcome.error
        if error is None:
            return cls(outcome.asked, outcome.unwrap(), None, question)
        if isinstance(error, ServiceError):
            return cls(outcome.asked, None, Failure(error.code, error.detail), question)
        return cls(outcome.asked, None, Failure(FileUnreadable.code, error.strerror or str(error)), question)

    @classmethod
    def from_document(cls, document: Any) -> "Record":
        """Raises ValueError, KeyError, TypeError for what is no record."""
        failure = Failure(**document["error"]) if "error" in document else None
        answer = None if failure else Answer.model_validate(document["answer"])
        return cls(document["path"], answer, failure, document["question"])

    def document(self) -> dict[str, Any]:
        asked = {"path": self.path, "question": self.question}
        if self.answer is not None:
            return asked | {"answer": self.answer.model_dump(mode="json")}
        return asked | {"error": vars(self.failure)}


def flat(record: Record) -> dict[str, Any]:
    """Of COLUMNS; what there is none of is None. `scores` and `branches` are JSON."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"path": record.path, "question": record.question}
    if record.failure is not None:
        return row | {"error_code": record.failure.code, "error": record.failure.detail}
    answer = record.answer
    assert answer is not None
    row |= {name: getattr(answer, name) for name in (*OF_ANSWER, "dataset", "dataset_version")}
    row |= {"width": answer.image.width, "height": answer.image.height}
    if answer.box is not None:
        row |= {edge: getattr(answer.box, edge) for edge in ("x0", "y0", "x1", "y1")}
        row["box_score"] = answer.box.score
    shown = {view: branch and [branch.label, branch.confidence] for view, branch in answer.branches.items()}
    row["scores"] = json.dumps([[score.label, score.confidence] for score in answer.scores], ensure_ascii=False)
    return row | {"branches": json.dumps(shown, ensure_ascii=False)}


def json_bytes(document: Any, indent: int | None = None) -> bytes:
    """In UTF-8; escaped where a file's name holds bytes that are none."""
    try:
        return json.dumps(document, ensure_ascii=False, indent=indent).encode()
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent).encode()
