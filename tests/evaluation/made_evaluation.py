"""Evaluations made up for tests: answers by hand, or drawn by a seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from service.evaluation.labelled import Labelled
from service.evaluation.results import Answers, Evaluation, Kind

KINDS: Mapping[str, Kind] = {"full": "branch", "fg": "branch", "bg_shape": "branch", "best_box": "oracle"}


def made(
    pictures: Sequence[Labelled],
    labels: Sequence[str],
    answers: Mapping[str, Sequence[tuple[str, float]]],
    fallbacks: Sequence[str | None] | None = None,
    default: str = "max_confidence",
) -> Evaluation:
    """Of each method, a label and a confidence for each picture."""
    return Evaluation(
        tuple(pictures),
        tuple(labels),
        np.array([[label in picture.accepted for label in labels] for picture in pictures], np.bool_),
        tuple(
            Answers(
                method,
                KINDS.get(method, "fusion"),
                np.array([labels.index(label) for label, _ in given], np.intp),
                np.array([confidence for _, confidence in given], np.float32),
            )
            for method, given in answers.items()
        ),
        tuple(fallbacks or [None] * len(pictures)),
        default,
        {"data": "pictures.csv"},
    )


def drawn(
    folder: Path,
    parts: Sequence[str],
    labels: Sequence[str],
    accuracies: Mapping[str, float],
    per_part: int = 30,
    none: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Methods right with given chances; the first twenty pictures of each part are files in `folder`."""
    rng = np.random.default_rng(seed)
    pictures = [
        Labelled(folder / f"{place}_{turn}.jpg", labels[turn % len(labels)], part, source=f"object {turn % 10}")
        for place, part in enumerate(parts)
        for turn in range(per_part)
    ]
    for turn, picture in enumerate(pictures):
        if turn % per_part < 20:
            Image.new("RGB", (40, 30), (turn * 7 % 256, 90, 160)).save(picture.path)
    pictures += [Labelled(folder / f"none_{turn}.jpg", "", "none") for turn in range(none)]
    answers = {}
    for method, accuracy in accuracies.items():
        right = rng.random(len(pictures)) < accuracy
        others = rng.integers(len(labels), size=len(pictures))
        confidences = np.clip(rng.random(len(pictures)) * 0.6 + 0.4 * right, 0.05, 1)
        answers[method] = [
            (picture.label if hit and picture.label else labels[other], float(confidence))
            for picture, hit, other, confidence in zip(pictures, right, others, confidences, strict=True)
        ]
    fallbacks = ["no_detection" if turn % 10 == 0 else None for turn in range(len(pictures))]
    return made(pictures, labels, answers, fallbacks)
