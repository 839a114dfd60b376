"""From labelled pictures' logits to a calibration, measured on pictures that it did not see (L2R2, B.3)."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.calibration.choices import fit_threshold, fit_weights
from service.calibration.class_temperatures import fit_class_temperatures
from service.calibration.class_weights import fit_class_weights
from service.calibration.measuring import abstention, chosen_fusion, measured
from service.calibration.network import fit_network
from service.calibration.options import FitOptions
from service.calibration.refusals import NotFitted
from service.calibration.report import CalibrationReport
from service.calibration.samples import Samples, check, check_held_out, split
from service.calibration.temperatures import fit_temperature
from service.recognition.calibration import Calibration

Doubles = NDArray[np.float64]
Result = TypeVar("Result")
OFF = "learnt fusions were not asked for"


def calibrate(samples: Samples, labels: Sequence[str], options: FitOptions) -> CalibrationReport:
    """A calibration for the classes `labels [L]`.

    Parameters come from one part of the pictures alone, what is reported from the other, held out. Two choices are made
    by the held-out part too, since fitted parameters look too good on their own pictures: the fusion, if it is to be
    the "best" (of equals the default one, else the simplest), and the level of abstention.

    Raises:
        InvalidFields: too few pictures or classes, or a fusion that cannot be fitted to them.
    """
    check(samples, labels)
    fit, held_out = split(samples.truth, options.validation_share, options.seed)
    check_held_out(held_out.size)
    refused: dict[str, str] = {}
    calibration = _Fitting(samples.at(fit), labels, options, refused).calibration()
    validation = samples.at(held_out)
    methods = measured(validation, calibration)
    fusion = chosen_fusion(options, methods, refused)
    none = samples.at(np.flatnonzero(samples.truth < 0))
    return CalibrationReport(
        calibration,
        fusion,
        *abstention(fusion, calibration, validation, none, options),
        methods=methods,
        fit_count=fit.size,
        validation_count=held_out.size,
        refused=refused,
        seed=options.seed,
    )


class _Fitting:
    """All fits to the same pictures; what cannot be fitted is noted in `refused` and left neutral."""

    def __init__(self, samples: Samples, labels: Sequence[str], options: FitOptions, refused: dict[str, str]) -> None:
        self.samples, self.labels, self.options, self.refused = samples, labels, options, refused
        self.complete = samples.complete()

    def calibration(self) -> Calibration:
        names, complete, seed = self.samples.names, self.complete, self.options.seed
        temperatures = {name: self._temperatures(place) for place, name in enumerate(names)}
        scaler = Calibration(names, temperatures)
        scaled = np.stack([scaler.scaled(name, complete.logits[:, place]) for place, name in enumerate(names)], axis=1)
        threshold = self._try("threshold", lambda: fit_threshold(self.samples.evidence(), self.samples.truth))
        weights = self._try("scaled_weighted_average", lambda: fit_weights(scaled, complete.truth, seed))
        shares = np.stack([np.broadcast_to(row, len(self.labels)) for row in temperatures.values()])
        shares = 1 / (len(names) * shares.astype(np.float64))
        class_weights = self._learn("class_weighted_logits", lambda: fit_class_weights(complete, self.labels, shares))
        return Calibration(
            names,
            temperatures,
            threshold,
            dict(zip(names, weights, strict=True)) if weights else {},
            {} if class_weights is None else dict(zip(names, map(tuple, class_weights.tolist()), strict=True)),
            self._learn("concat_fc", lambda: fit_network(complete, self.labels, shares, seed)),
        )

    def _temperatures(self, place: int) -> tuple[float, ...]:
        name, seen = self.samples.names[place], self.samples.of(place)
        one = self._try(f"temperature of {name}", lambda: fit_temperature(*seen))
        if one is None:
            return (1.0,)
        if self.options.temperatures == "branch":
            return (one,)
        what = f"class temperatures of {name}"
        found = self._try(what, lambda: fit_class_temperatures(*seen, one))
        if found is None:
            return (one,)
        temperatures, few = found
        if few:
            self.refused[what] = f"{few} classes have too few pictures and keep the branch's temperature"
        return tuple(temperatures.tolist())

    def _learn(self, what: str, fit: Callable[[], Result]) -> Result | None:
        if not self.options.learn:
            self.refused[what] = OFF
            return None
        return self._try(what, fit)

    def _try(self, what: str, fit: Callable[[], Result]) -> Result | None:
        try:
            return fit()
        except NotFitted as reason:
            self.refused[what] = str(reason)
            return None
