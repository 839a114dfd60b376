"""How the detectors' tests compare: boxes within a pixel, scores within 1e-4, in the same order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.models.localizers.detector import LEAST_SCORE
from service.models.ports import Localizer, PromptSet
from service.recognition.boxes import Detection

Expected = tuple[float, tuple[float, float, float, float]]  # score, box in pixels


def located(localizer: Localizer, rgb: NDArray[np.uint8], prompts: PromptSet) -> list[Detection]:
    return localizer.locate([localizer.preprocess(rgb, prompts)])[0]


def piped(detector: Any, rgb: NDArray[np.uint8], label: str) -> list[Expected]:
    """What transformers' own pipeline finds."""
    rows = detector(Image.fromarray(rgb), candidate_labels=[label], threshold=LEAST_SCORE)
    edges = ("xmin", "ymin", "xmax", "ymax")
    return in_picture([(row["score"], tuple(row["box"][edge] for edge in edges)) for row in rows], rgb)


def processed(result: dict[str, Any], rgb: NDArray[np.uint8]) -> list[Expected]:
    """A processor's `post_process_…` result for one picture, best first."""
    rows = zip(result["scores"].tolist(), (tuple(box) for box in result["boxes"].tolist()), strict=True)
    return in_picture(sorted(rows, key=lambda row: -row[0]), rgb)


def in_picture(expected: Sequence[Expected], rgb: NDArray[np.uint8]) -> list[Expected]:
    """Clipped to the picture as the service does it; what lies outside of it (in OWLv2's padding) is gone."""
    height, width = rgb.shape[:2]
    rows = [
        (score, (max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height))) for score, (x0, y0, x1, y1) in expected
    ]
    return [(score, box) for score, box in rows if box[2] > box[0] and box[3] > box[1]]


def assert_same(found: Sequence[Detection], expected: Sequence[Expected], *, pixels: float = 1.0) -> None:
    assert len(found) == len(expected) > 0
    for detection, (score, edges) in zip(found, expected, strict=True):
        box = detection.box
        assert abs(detection.score - score) < 1e-4
        assert np.abs(np.subtract((box.x0, box.y0, box.x1, box.y1), edges)).max() <= pixels


def assert_equal(found: Sequence[Detection], other: Sequence[Detection]) -> None:
    rows = [(entry.score, (entry.box.x0, entry.box.y0, entry.box.x1, entry.box.y1)) for entry in other]
    assert_same(found, rows, pixels=0.01)
    assert [entry.prompt for entry in found] == [entry.prompt for entry in other]
