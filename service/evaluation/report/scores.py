"""All methods on some pictures, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.evaluation.metrics import (
    Bools,
    Doubles,
    Draws,
    Ints,
    bootstrap,
    differences,
    intervals,
    macro_accuracy,
    micro_accuracy,
)
from service.evaluation.report.columns import Columns
from service.evaluation.report.figures import Measured, Score
from service.evaluation.results import Answers
from service.recognition.reliability import expected_calibration_error

TIE = 1e-9  # sums in another order differ by less


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Of all methods `[M]`: micro and macro accuracy, with the same of the resamples, and calibration errors."""

    micro: Doubles
    macro: Doubles
    draws: Draws
    ece: Doubles


def measured(table: Columns, places: Ints, seed: Sequence[int], resamples: int) -> Accuracies | None:
    """Of the labelled ones among the pictures at `places`; None where there are none."""
    places = places[table.labelled[places]]
    if not places.size:
        return None
    correct, truth, confidence = table.correct[places], table.truth[places], table.confidence[places]
    errors = [expected_calibration_error(*pair) for pair in zip(confidence.T, correct.T, strict=True)]
    draws = bootstrap(correct, truth, np.random.default_rng(seed), resamples)
    return Accuracies(micro_accuracy(correct), macro_accuracy(correct, truth), draws, np.array(errors))


def averaged(parts: Sequence[Accuracies]) -> Accuracies:
    """The mean over parts, each counting alike; a resample of it is one of every part."""
    return Accuracies(
        np.mean([part.micro for part in parts], axis=0),
        np.mean([part.macro for part in parts], axis=0),
        Draws(
            np.mean([part.draws.micro for part in parts], axis=0),
            np.mean([part.draws.macro for part in parts], axis=0),
        ),
        np.mean([part.ece for part in parts], axis=0),
    )


def scores(answers: Sequence[Answers], found: Accuracies | None) -> tuple[Score, ...]:
    """A score for each method, none where nothing was measured."""
    if found is None:
        return ()
    contest = np.array([method.kind != "oracle" for method in answers], np.bool_)
    columns = zip(
        answers,
        _measured(found.micro, found.draws.micro, contest),
        _measured(found.macro, found.draws.macro, contest),
        found.ece,
        strict=True,
    )
    return tuple(Score(method.method, method.kind, micro, macro, float(ece)) for method, micro, macro, ece in columns)


def _measured(values: Doubles, draws: Doubles, contest: Bools) -> list[Measured]:
    best = contest & (values >= values[contest].max() - TIE)
    return [
        Measured(share.value, share.low, share.high, delta.value, delta.low, delta.high, bool(wins))
        for share, delta, wins in zip(intervals(values, draws), differences(values, draws), best, strict=True)
    ]
