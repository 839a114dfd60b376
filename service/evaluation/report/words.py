"""What a summary says, in words and numbers for people."""

from collections.abc import Iterator

from service.evaluation.report.figures import Measure, PartSummary, Summary

UNKNOWN = "-"


def percent(share: float | None, digits: int = 1) -> str:
    """`94.3`, without the sign; UNKNOWN where nothing was measured."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f}"


def points(delta: float | None, digits: int = 1) -> str:
    """A signed difference in percentage points, never `-0.0`; UNKNOWN where nothing was measured."""
    return UNKNOWN if delta is None else f"{round(100 * delta, digits) + 0.0:+.{digits}f}"


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def sentences(summary: Summary, measure: Measure = "micro") -> tuple[str, ...]:
    """The findings, the most important first."""
    return tuple(
        sentence
        for parts in (_headline, _backgrounds, _disagreements, _fallbacks, _abstention)
        for sentence in parts(summary, measure)
    )


def _headline(summary: Summary, measure: Measure) -> Iterator[str]:
    scores = {score.method: score for score in summary.together.scores}
    full, own = scores[summary.methods[0]], scores[summary.default]
    right = f"{percent(own.of(measure).share)} % of {counted(summary.together.n, 'picture')} right"
    if measure == "macro":
        classes = counted(summary.together.classes, "class").replace("classs", "classes")
        right = f"{percent(own.of(measure).share)} % right on average over {classes}"
    if own is full:
        yield f"{own.method} answers {right}."
        return
    delta = own.of(measure)
    yield (
        f"{own.method} answers {right}, the full picture alone {percent(full.of(measure).share)} %: "
        f"{points(delta.delta)} points (95 % interval {points(delta.delta_low)} to {points(delta.delta_high)}), "
        f"{_verdict(delta.delta_low, delta.delta_high)}."
    )


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return "a gain that chance hardly explains"
    return "a loss that chance hardly explains" if high < 0 else "a difference that chance may explain"


def _backgrounds(summary: Summary, _measure: Measure) -> Iterator[str]:
    found = {background.method: background for background in summary.backgrounds}
    told = [name for name in dict.fromkeys((summary.methods[0], "fg", summary.default)) if name in found]
    names = {summary.methods[0]: "the full picture"}
    gaps = [f"{names.get(name, name)} {percent(gap)}" for name in told if (gap := found[name].gap) is not None]
    if gaps:
        yield f"A random background in place of one of the object's own class costs, in points, {_and(gaps)}."
    rates = [
        f"{names.get(name, name)} on {percent(rate)} %"
        for name in told
        if (rate := found[name].adversarial) is not None
    ]
    if rates:
        yield f"At least one of several backgrounds misleads {_and(rates)} of the objects."


def _disagreements(summary: Summary, _measure: Measure) -> Iterator[str]:
    found = summary.disagreements
    if found is not None and found.count:
        yield (
            f"{found.rival} and the full picture disagree on {found.count:,} of "
            f"{counted(summary.together.n, 'picture')}: {found.rival} is right on {len(found.rival_right):,}, "
            f"the full picture on {len(found.full_right):,}"
            + (f", both on {len(found.both_right):,}" if found.both_right else "")
            + f", neither on {len(found.neither_right):,}."
        )


def _fallbacks(summary: Summary, _measure: Measure) -> Iterator[str]:
    part = summary.together
    if part.fallback:
        yield f"On {percent(part.fallback)} % of all pictures the full one had to answer alone ({reasons(part)})."


def _abstention(summary: Summary, _measure: Measure) -> Iterator[str]:
    for own in summary.selective:
        if own.method.partition(" by ")[0] == summary.default and own.none_answered is not None:
            yield (
                f"Of {counted(summary.together.none, 'picture')} of none of the classes, {own.method} still answers "
                f"{percent(own.none_answered)} % at the level ({own.threshold:.3f}) that keeps "
                f"{percent(summary.keep_right, 0)} % of its right answers."
            )


def reasons(part: PartSummary) -> str:
    """Why only the full picture was there, and how often."""
    return ", ".join(f"{reason} {number:,}" for reason, number in part.reasons.items())


def _and(words: list[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])
