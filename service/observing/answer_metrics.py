"""What the answers of one dataset tell: what is watched for a change in the pictures that come."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.observing.agreement import AGREEMENTS, Agreement, comparison_of
from service.observing.buckets import CONFIDENCES, MARGINS, PRESENCES
from service.recognition.answers import FALLBACKS, Fallback, Recognition

OF = ("dataset",)


@dataclass(frozen=True)
class AnswerMetrics:
    """Of all datasets."""

    winners: Counter
    fallbacks: Counter
    agreements: Counter
    abstentions: Counter
    cached: Counter
    cascades: Counter
    confidence: Histogram
    margin: Histogram
    presence: Histogram

    @classmethod
    def in_registry(cls, registry: CollectorRegistry) -> Self:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"l2r2_{name}", meaning, (*OF, *labels), registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"l2r2_{name}", meaning, OF, registry=registry, buckets=buckets)

        return cls(
            counter("answers", "Answers, by the view that decided.", "branch"),
            counter("fallbacks", "Answers of the full picture alone, by the reason.", "reason"),
            counter("agreements", "Whether the views' own labels agree; alone: there was one view.", "views"),
            counter("abstentions", "Answers that were withheld."),
            counter("cached_answers", "Answers for which no model ran."),
            counter("cascades", "Cascades, by whether the first view was enough.", "stopped"),
            histogram("confidence", "Confidence of the answers.", CONFIDENCES),
            histogram("branch_margin", "Confidence of the surest view less the next one's.", MARGINS),
            histogram("presence", "How much speaks for the class being there at all.", PRESENCES),
        )

    def of(self, dataset: str) -> "OneDatasets":
        return OneDatasets(self, dataset)


class OneDatasets:
    """The series of one dataset's label, all there from the first answer on: what appears late has no rate yet."""

    def __init__(self, metrics: AnswerMetrics, dataset: str) -> None:
        self._metrics, self._dataset = metrics, dataset
        self._winners: dict[str, Counter] = {}
        self._fallbacks: dict[Fallback, Counter] = {
            reason: metrics.fallbacks.labels(dataset, reason) for reason in FALLBACKS
        }
        self._agreements: dict[Agreement, Counter] = {
            views: metrics.agreements.labels(dataset, views) for views in AGREEMENTS
        }
        self._abstentions, self._cached = metrics.abstentions.labels(dataset), metrics.cached.labels(dataset)
        self._cascades = {stopped: metrics.cascades.labels(dataset, word) for stopped, word in _YES_NO.items()}
        self._confidence, self._margin = metrics.confidence.labels(dataset), metrics.margin.labels(dataset)
        self._presence = metrics.presence.labels(dataset)

    def count(self, answer: Recognition) -> None:
        verdict, comparison = answer.verdict, comparison_of(answer.verdict)
        self._winner(verdict.branch).inc()
        if answer.fallback is not None:
            self._fallbacks[answer.fallback].inc()
        self._agreements[comparison.agreement].inc()
        if comparison.margin is not None:
            self._margin.observe(comparison.margin)
        self._confidence.observe(verdict.confidence)
        self._presence.observe(verdict.presence)
        if verdict.abstained:
            self._abstentions.inc()
        if answer.cached:
            self._cached.inc()
        if answer.cascade is not None:
            self._cascades[answer.cascade.stopped].inc()

    def _winner(self, branch: str) -> Counter:
        found = self._winners.get(branch)
        if found is None:
            found = self._winners[branch] = self._metrics.winners.labels(self._dataset, branch)
        return found


_YES_NO = {True: "yes", False: "no"}
