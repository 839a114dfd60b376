"""Whether the views of a picture say the same, and how far apart they are: what shows a change in the pictures that
come, before anybody has labelled one."""

from dataclasses import dataclass
from typing import Literal

from service.recognition.answers import Verdict

Agreement = Literal["agree", "disagree", "alone"]
AGREEMENTS: tuple[Agreement, ...] = ("agree", "disagree", "alone")


@dataclass(frozen=True)
class Comparison:
    """agreement: of the labels that the views would give alone; `alone` where there was one view. margin: confidence
    of the surest view less that of the next; None for one view."""

    agreement: Agreement
    margin: float | None


def comparison_of(verdict: Verdict) -> Comparison:
    shown = [branch for branch in verdict.branches.values() if branch is not None]
    if len(shown) < 2:
        return Comparison("alone", None)
    surest, second, *_ = sorted((branch.confidence for branch in shown), reverse=True)
    same = len({branch.label for branch in shown}) == 1
    return Comparison("agree" if same else "disagree", surest - second)
