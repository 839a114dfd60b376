"""The figures as files: JSON and CSV of the summary, CSV of every picture's answers."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.evaluation.report.figures import PartSummary, Score, Summary
from service.evaluation.results import Evaluation

NO_TEXT = "surrogateescape"  # file names that are no text keep their bytes
_MEASURED = ("share", "low", "high", "delta", "delta_low", "delta_high", "best")
_COLUMNS_OF = {
    measure: [measure if column == "share" else f"{measure}_{column}" for column in _MEASURED]
    for measure in ("micro", "macro")
}
_HEAD = ("scope", "part", "method", "kind", "n", "none", "fallback")
CSV_COLUMNS = (*_HEAD, *_COLUMNS_OF["micro"], *_COLUMNS_OF["macro"], "ece")


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary by its fields' names; shares and intervals in [0, 1]."""
    return asdict(summary)


def write_json(summary: Summary, path: Path) -> None:
    text = json.dumps(as_json(summary), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")  # a name that is no text stays JSON


def write_csv(summary: Summary, path: Path) -> None:
    """A row for each part and method; scope is `part`, or `together` or `mean` of the parts."""
    with path.open("w", encoding="utf-8", errors=NO_TEXT, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for part in summary.parts:
            writer.writerows(_rows("part", part))
        writer.writerows(_rows("together", summary.together))
        writer.writerows(["mean", "", score.method, score.kind, "", "", "", *_figures(score)] for score in summary.mean)


def _rows(scope: str, part: PartSummary) -> Iterator[list[object]]:
    for score in part.scores:
        yield [scope, part.name, score.method, score.kind, part.n, part.none, part.fallback, *_figures(score)]


def _figures(score: Score) -> list[object]:
    found = [getattr(measured, column) for measured in (score.micro, score.macro) for column in _MEASURED]
    return [str(value).lower() if isinstance(value, bool) else value for value in [*found, score.ece]]


def write_answers(evaluation: Evaluation, path: Path) -> None:
    """A row for each picture: its path, part and label, why it fell back, and each method's label, confidence and
    whether that is right (empty where the picture shows none of the classes)."""
    head = ["path", "part", "label", "fallback"]
    correct = [evaluation.correct(answers) for answers in evaluation.answers]
    with path.open("w", encoding="utf-8", errors=NO_TEXT, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        methods = [answers.method for answers in evaluation.answers]
        writer.writerow([*head, *(f"{method}{end}" for method in methods for end in ("", "_confidence", "_right"))])
        for place, picture in enumerate(evaluation.pictures):
            row = [picture.path.as_posix(), picture.part, picture.label, evaluation.fallbacks[place] or ""]
            for answers, right in zip(evaluation.answers, correct, strict=True):
                verdict = str(bool(right[place])).lower() if picture.label else ""
                row += [evaluation.labels[answers.predicted[place]], f"{answers.confidence[place]:.6f}", verdict]
            writer.writerow(row)
