"""How far backgrounds mislead each method, from the pictures that `l2r2 variants` makes."""

from collections.abc import Sequence

import numpy as np

from service.evaluation.background import RANDOM, SAME, adversarial_rate, background_gap
from service.evaluation.metrics import Ints, intervals
from service.evaluation.report.columns import Columns
from service.evaluation.report.figures import Background
from service.evaluation.report.scores import Accuracies, measured
from service.evaluation.results import Evaluation

ADVERSARIAL_PART = "mixed_adversarial"
SEEDS = {SAME: 1, RANDOM: 2}


def backgrounds(evaluation: Evaluation, table: Columns, seed: int, resamples: int) -> tuple[Background, ...]:
    """Of each method the background gap, over objects that both parts show, and the share of objects misled."""
    places = {part: _on_shared_objects(evaluation, table, part) for part in (SAME, RANDOM)}
    found = {part: measured(table, of, [seed, SEEDS[part], 0], resamples) for part, of in places.items()}
    low, high = _bounds(found[SAME], found[RANDOM], len(table.methods))
    adversarial = _labelled(table, ADVERSARIAL_PART)
    sources = [evaluation.pictures[place].source for place in adversarial]
    return tuple(
        Background(
            method,
            background_gap({part: correct[of] for part, of in places.items()}),
            low[place],
            high[place],
            adversarial_rate(correct[adversarial], sources),
        )
        for place, (method, correct) in enumerate(zip(table.methods, table.correct.T, strict=True))
    )


def _labelled(table: Columns, part: str) -> Ints:
    return np.flatnonzero(table.labelled & (table.parts == part))


def _on_shared_objects(evaluation: Evaluation, table: Columns, part: str) -> Ints:
    """The part's pictures, without those of objects that the other part lacks, where the pictures name their object."""
    shown = {name: {evaluation.pictures[place].source for place in _labelled(table, name)} for name in (SAME, RANDOM)}
    shared = shown[SAME] & shown[RANDOM] - {""}
    places = _labelled(table, part)
    if not shared:
        return places
    return places[[evaluation.pictures[place].source in shared for place in places]]


def _bounds(
    same: Accuracies | None, random: Accuracies | None, methods: int
) -> tuple[Sequence[float | None], Sequence[float | None]]:
    if same is None or random is None:
        return [None] * methods, [None] * methods
    found = intervals(same.micro - random.micro, same.draws.micro - random.draws.micro)
    return [gap.low for gap in found], [gap.high for gap in found]
