"""From an evaluation's answers to its figures."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.errors import FileUnreadable
from service.evaluation.metrics import (
    RESAMPLES,
    Bools,
    Ints,
    per_class,
    share_answered,
    threshold_keeping,
    top_confusions,
)
from service.evaluation.report.backgrounds import backgrounds
from service.evaluation.report.columns import Columns, columns
from service.evaluation.report.figures import (
    ClassRow,
    Confusion,
    Disagreements,
    PartSummary,
    Selective,
    Summary,
)
from service.evaluation.report.scores import Accuracies, averaged, measured, scores
from service.evaluation.results import Evaluation

KEEP_RIGHT = 0.95
FULL = "full"
RIVAL = "fg"
MOST_CONFUSIONS = 50
BY_PRESENCE = " by presence"


def summarize(
    evaluation: Evaluation, *, resamples: int = RESAMPLES, seed: int = 0, keep_right: float = KEEP_RIGHT
) -> Summary:
    """Accuracies with 95 % intervals from `resamples` resamples of the pictures, drawn by `seed`; selective answering
    at the confidence that keeps `keep_right` of the right answers.

    Raises:
        FileUnreadable: no picture has a label.
        ValueError: `keep_right` is not above 0 and at most 1.
    """
    table = columns(evaluation)
    if not table.labelled.any():
        raise FileUnreadable("no picture has a label, so no answer can be right")
    places = {name: np.flatnonzero(table.parts == name) for name in dict.fromkeys(table.parts)}
    found = {name: measured(table, of, [seed, turn], resamples) for turn, (name, of) in enumerate(places.items(), 1)}
    everything = np.arange(len(table.parts))
    default = evaluation.default if evaluation.default in table.methods else table.methods[0]
    return Summary(
        about=dict(evaluation.about),
        methods=table.methods,
        default=default,
        resamples=resamples,
        seed=seed,
        keep_right=keep_right,
        together=_part(evaluation, "all parts", everything, measured(table, everything, [seed, 0], resamples)),
        parts=tuple(_part(evaluation, name, places[name], found[name]) for name in places),
        mean=scores(evaluation.answers, averaged([part for part in found.values() if part is not None])),
        backgrounds=backgrounds(evaluation, table, seed, resamples),
        selective=_all_selective(evaluation, table, places, default, keep_right),
        disagreements=_disagreements(table),
        classes=_classes(table),
        confusions=_confusions(table, default),
    )


def _part(evaluation: Evaluation, name: str, places: Ints, found: Accuracies | None) -> PartSummary:
    labels = [evaluation.pictures[place].label for place in places]
    reasons = Counter(reason for place in places if (reason := evaluation.fallbacks[place]) is not None)
    return PartSummary(
        name=name,
        n=sum(map(bool, labels)),
        none=sum(not label for label in labels),
        classes=len({label for label in labels if label}),
        fallback=reasons.total() / len(labels),
        reasons=dict(sorted(reasons.items())),
        scores=scores(evaluation.answers, found),
    )


def _all_selective(
    evaluation: Evaluation, table: Columns, places: Mapping[str, Ints], default: str, keep_right: float
) -> tuple[Selective, ...]:
    """By every method's confidence, and by the default's presence where that was measured."""
    rows = []
    for column, method in enumerate(table.methods):
        rows.append(_selective(table, places, method, table.confidence[:, column], keep_right))
        if method == default == evaluation.default and evaluation.presence is not None:
            rows.append(_selective(table, places, method, evaluation.presence, keep_right, BY_PRESENCE))
    return tuple(rows)


def _selective(
    table: Columns,
    places: Mapping[str, Ints],
    method: str,
    confidence: NDArray[np.float32],
    keep_right: float,
    suffix: str = "",
) -> Selective:
    correct = table.correct[:, table.of(method)]
    threshold = threshold_keeping(confidence[table.labelled], correct[table.labelled], keep_right)
    answered = table.labelled & (confidence >= np.float32(threshold))
    kept = share_answered(confidence[table.labelled & correct], threshold)
    return Selective(
        method=method + suffix,
        threshold=threshold,
        right_kept=1.0 if kept is None else kept,
        answered=float(answered.sum() / table.labelled.sum()),
        accuracy=float(correct[answered].mean()) if answered.any() else None,
        none_answered=share_answered(confidence[~table.labelled], threshold),
        answered_by_part={name: float((confidence[of] >= np.float32(threshold)).mean()) for name, of in places.items()},
    )


def _disagreements(table: Columns) -> Disagreements | None:
    if RIVAL not in table.methods or FULL not in table.methods:
        return None
    full, rival = table.of(FULL), table.of(RIVAL)
    differ = table.labelled & (table.predicted[:, full] != table.predicted[:, rival])
    full_right, rival_right = table.correct[:, full], table.correct[:, rival]

    def where(mask: Bools) -> tuple[int, ...]:
        return tuple(np.flatnonzero(differ & mask).tolist())

    return Disagreements(
        RIVAL,
        rival_right=where(rival_right & ~full_right),
        full_right=where(full_right & ~rival_right),
        both_right=where(full_right & rival_right),
        neither_right=where(~full_right & ~rival_right),
    )


def _classes(table: Columns) -> tuple[ClassRow, ...]:
    present, counts, recalls = per_class(table.correct[table.labelled], table.truth[table.labelled])
    rows = zip(present, counts, recalls, strict=True)
    return tuple(ClassRow(table.names[place], int(n), tuple(recall.tolist())) for place, n, recall in rows)


def _confusions(table: Columns, method: str) -> tuple[Confusion, ...]:
    """Another label that counts as right is no confusion."""
    column = table.of(method)
    wrong = table.labelled & ~table.correct[:, column]
    found = top_confusions(table.truth[wrong], table.predicted[wrong, column], MOST_CONFUSIONS)
    return tuple(Confusion(table.names[label], table.names[predicted], n) for label, predicted, n in found)
