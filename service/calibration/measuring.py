"""How branches and fusions do on pictures held out, and the choices that are left to those."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.calibration.choices import fit_abstention
from service.calibration.options import BEST, FitOptions
from service.calibration.report import MethodReport
from service.calibration.samples import Places, Samples
from service.errors import FieldProblem, InvalidFields
from service.recognition.abstention import presence
from service.recognition.calibration import NEUTRAL, Calibration
from service.recognition.evidence import Evidence
from service.recognition.fusion import FUSIONS, applicable
from service.recognition.reliability import expected_calibration_error

Floats = NDArray[np.float32]
Method = Callable[[Evidence, Calibration], Floats]


def measured(samples: Samples, calibration: Calibration) -> tuple[MethodReport, ...]:
    """Every branch and every fusion that the calibration allows, with and without it."""
    methods: dict[str, Method] = {name: _branch(name) for name in samples.names}
    for name, fusion in FUSIONS.items():
        if fusion.needs is None or getattr(calibration, fusion.needs):
            methods[name] = _fusion(name)
    evidence = samples.evidence()
    reports = []
    for name, method in methods.items():
        (before, ece_before), (after, ece_after) = (
            _figures(*answers(method, evidence, parameters), samples.truth) for parameters in (NEUTRAL, calibration)
        )
        reports.append(MethodReport(name, before, after, ece_before, ece_after))
    return tuple(reports)


def answers(method: Method, evidence: Sequence[Evidence], calibration: Calibration) -> tuple[Places, Floats]:
    """The class `[n]` that a method answers and its confidence `[n]`."""
    places, confidence = np.empty(len(evidence), np.intp), np.empty(len(evidence), np.float32)
    for row, item in enumerate(evidence):
        probabilities = method(item, calibration)
        places[row] = probabilities.argmax()
        confidence[row] = probabilities[places[row]]
    return places, confidence


def chosen_fusion(options: FitOptions, methods: Sequence[MethodReport], refused: Mapping[str, str]) -> str:
    """The fusion asked for, or the one most often right; of equals the default one, else the first in FUSIONS.

    Raises:
        InvalidFields: it could not be fitted.
    """
    right = {report.method: report.accuracy_after for report in methods if report.method in FUSIONS}
    if options.fusion == BEST:
        return max(right, key=lambda name: (right[name], name == options.default_fusion))
    fusion = options.fusion or options.default_fusion
    if fusion not in right:
        raise InvalidFields(FieldProblem("fusion", f"{fusion!r} was not fitted: {refused[fusion]}", tuple(right)))
    return fusion


def abstention(
    fusion: str, calibration: Calibration, samples: Samples, none: Samples, options: FitOptions
) -> tuple[float, float, float | None]:
    """The level below which none of the classes is answered, the share of right answers to `samples` that is left, and
    the share of answers to `none`, pictures of none of the classes, that is left (None without any)."""
    places, levels = _levels(fusion, calibration, samples, options.abstain_by)
    right = places == samples.truth
    level = fit_abstention(levels, right, options.keep_right)
    kept = float((levels[right] >= level).mean()) if right.any() else 1.0
    if not len(none.truth):
        return level, kept, None
    return level, kept, float((_levels(fusion, calibration, none, options.abstain_by)[1] >= level).mean())


def _levels(fusion: str, calibration: Calibration, samples: Samples, abstain_by: str) -> tuple[Places, Floats]:
    """The class `[n]` that a fusion answers, and what abstention looks at `[n]`."""
    evidence = samples.evidence()
    places, confidence = answers(_fusion(fusion), evidence, calibration)
    if abstain_by == "confidence":
        return places, confidence
    return places, np.array([_presence(*pair, samples.logit_scale) for pair in zip(evidence, places, strict=True)])


def _presence(item: Evidence, place: int, logit_scale: float) -> float:
    cosines = dict(zip(item.names, item.logits / np.float32(logit_scale), strict=True))
    return presence(cosines, int(place), item.box_score)


def _branch(name: str) -> Method:
    def method(item: Evidence, calibration: Calibration) -> Floats:
        branches = item.probabilities(calibration)
        return branches.get(name, branches[item.names[0]])

    return method


def _fusion(name: str) -> Method:
    return lambda item, calibration: applicable(name, item.names, calibration)(item, calibration).probabilities


def _figures(places: Places, confidence: Floats, truth: Places) -> tuple[float, float]:
    right = places == truth
    return float(right.mean()), expected_calibration_error(confidence, right)
