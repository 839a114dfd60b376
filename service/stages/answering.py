"""From embeddings to an answer: probabilities of each view, the fusion, and what it is worth (L2R2, 3.2 and 3.3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from service.datasets.records import Dataset
from service.errors import ModelFailed
from service.models.ports import Floats
from service.recognition.abstention import presence
from service.recognition.answers import Cascade, MetadataEffect, Score, Verdict, best_scores, branch_of
from service.recognition.fusion import Evidence, Fused, applicable
from service.recognition.priors import AppliedPrior
from service.recognition.scoring import class_logits
from service.recognition.views import DEFAULT_BRANCHES
from service.stages.looking import Looks
from service.stages.options import Plan

FEW_CLASSES = 1000  # whose tables of what is known beforehand are read in no time


class Answering:
    """Compares looks with one dataset's classes, as a plan says. Pure: no model runs here."""

    def __init__(self, dataset: Dataset, plan: Plan, logit_scale: float) -> None:
        self._dataset, self._plan, self._logit_scale = dataset, plan, logit_scale
        self.prior: AppliedPrior = dataset.prior_tables.apply(plan.options.metadata)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._dataset.labels

    @property
    def prior_row(self) -> Floats | None:
        return self.prior.log_weights

    def evidence(self, looks: Looks, box_score: float | None) -> Evidence:
        logits = self._logits(looks)
        return Evidence(tuple(looks), logits, box_score, self.prior.log_weights)

    def logits_of(self, looks: Looks, places: Sequence[int]) -> Mapping[str, Floats]:
        """Of each look `[K]`, of the classes of these places alone."""
        chosen = self._dataset.prototypes[list(places)]
        return {name: class_logits(look, chosen, self._logit_scale) for name, look in looks.items()}

    def _logits(self, looks: Looks) -> Floats:
        # What is known of a class may lift it from anywhere
        lifted = self.prior.log_weights is not None or self._dataset.spec.calibration.is_by_class
        options = self._plan.options
        best = len(self.labels) if lifted else max(options.top_k, options.candidates)
        logits: Floats = self._dataset.cosines(np.stack(list(looks.values())), best)
        logits *= np.float32(self._logit_scale)
        return logits

    def fused(self, evidence: Evidence) -> tuple[Fused, str]:
        """By the plan's fusion, or the most confident branch where views are missing that it was fitted to; with the
        name of the one applied."""
        calibration = self._dataset.spec.calibration
        applied = applicable(self._plan.fusion, evidence.names, calibration)
        fused = applied(evidence, calibration)
        if not np.isfinite(fused.probabilities).all():
            raise ModelFailed("the views' embeddings or the calibration give no finite confidence")
        return fused, applied.name

    def first_is_sure(self, looks: Looks) -> tuple[float, bool]:
        """A cascade's first view: its confidence, and whether that is enough to leave the others out."""
        fused, _ = self.fused(self.evidence(looks, None))
        confidence = float(fused.probabilities.max())
        return confidence, self._plan.cascade is not None and confidence >= self._plan.cascade

    def answer(
        self, looks: Looks, box_score: float | None, cascade: Cascade | None = None
    ) -> tuple[Verdict, MetadataEffect | None]:
        """What the looks come to, and what the request's metadata changed in it."""
        evidence = self.evidence(looks, box_score)
        verdict = self.verdict_of(evidence, *self.fused(evidence))
        if cascade is not None and cascade.stopped:
            verdict = replace(verdict, reason=self._sure_enough(cascade))
        return verdict, self.metadata_effect(lambda: self.fused(replace(evidence, log_prior=None))[0].probabilities)

    def verdict(self, looks: Looks, box_score: float | None, names: Sequence[str]) -> Verdict:
        """What the looks of one object come to; `names` are the branches that it was to be shown in."""
        evidence = self.evidence(looks, box_score)
        return self.verdict_of(evidence, *self.fused(evidence), names)

    def verdict_of(self, evidence: Evidence, fused: Fused, fusion: str, names: Sequence[str] | None = None) -> Verdict:
        """What was fused by the named fusion; None for the plan's branches, and full and fg in any case."""
        plan, labels = self._plan, self._dataset.labels
        asked = dict.fromkeys((*DEFAULT_BRANCHES, *plan.branches)) if names is None else names
        rows = evidence.probabilities()
        tops = {name: branch_of(best_scores(row, labels, plan.options.top_k)) for name, row in rows.items()}
        alone = next((name for name, row in rows.items() if row is fused.probabilities), None)
        scores = tops[alone].scores if alone else best_scores(fused.probabilities, labels, plan.options.top_k)
        label = int(fused.probabilities.argmax())
        cosines = evidence.logits[:, label, None] / self._logit_scale
        present = presence(dict(zip(evidence.names, cosines, strict=True)), 0, evidence.box_score)
        level = scores[0].confidence if plan.abstain_by == "confidence" else present
        abstained = plan.abstain_below is not None and level < plan.abstain_below
        return Verdict(
            label=None if abstained else scores[0].label,
            confidence=scores[0].confidence,
            branch=fused.branch,
            fusion=fusion,
            reason=fused.reason,
            presence=present,
            abstained=abstained,
            scores=scores,
            branches={name: tops.get(name) for name in asked},
        )

    def _sure_enough(self, first: Cascade) -> str:
        """Why a cascade's first view answers alone: by choice, not for want of others."""
        level = f"{self._plan.cascade:g}"
        return f"{first.first} was sure enough: {first.confidence:.4f}, at or above {level}; no other view was asked"

    def metadata_effect(self, without: Callable[[], Floats]) -> MetadataEffect | None:
        """What the request's metadata did, beside the probabilities `[L]` without any; None where there were none."""
        if not self._plan.options.metadata:
            return None
        best: Score = best_scores(without(), self._dataset.labels, 1)[0]
        return MetadataEffect(self.prior.used, self.prior.ignored, best)
