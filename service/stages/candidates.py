"""Scenes without a prompt that fits all classes: the full picture's best labels are looked for (L2R2, C.1)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.models.ports import Floats
from service.recognition.answers import Candidate, Recognition
from service.recognition.candidates import aggregated_logits, combined_logits
from service.recognition.fusion import Evidence, Fused
from service.recognition.scoring import softmax, top_k
from service.recognition.views import FULL
from service.stages.answering import Answering
from service.stages.locating import Located, Locating
from service.stages.looking import Looks
from service.stages.options import Plan
from service.stages.photograph import Photograph
from service.stages.seeing import Seeing, Sight

NOWHERE = np.float32(-1e9)  # the logit of a class that is no candidate


async def recognize_candidates(
    photo: Photograph, plan: Plan, answering: Answering, locating: Locating, seeing: Seeing
) -> Recognition:
    """Equation 5: each candidate label is looked for, each finding is looked at, and the surest candidate answers."""
    [whole] = await seeing.look(photo, [Sight(None, (FULL,))], plan.style)
    full, places = await asyncio.to_thread(_candidates, answering, whole, plan)
    found = await locating.find_candidates(photo, [answering.labels[place] for place in places], plan)
    looks = await seeing.look(photo, [Sight(located.best, plan.box_branches) for located in found], plan.style)
    if len(found) == 1:  # the same for all
        found, looks = found * len(places), looks * len(places)
    with photo.watch.stage("score"):
        return await asyncio.to_thread(_answer, photo, plan, answering, _Seen(full, whole, places, found, looks))


@dataclass(frozen=True, eq=False)
class _Seen:
    """The full picture's logits `[L]` and looks, its best classes' places `[K]`, and for each what it found and how
    that looks."""

    full: Floats
    whole: Looks
    places: Sequence[int]
    found: Sequence[Located]
    looks: Sequence[Looks]


def _candidates(answering: Answering, whole: Looks, plan: Plan) -> tuple[Floats, list[int]]:
    evidence = answering.evidence(whole, None)
    full: Floats = evidence.logits[0]
    return full, [int(place) for place in top_k(evidence.with_prior(full), plan.options.candidates)]


def _branch_logits(plan: Plan, answering: Answering, seen: _Seen) -> dict[str, Floats]:
    """`[K]` for the full picture and for each branch made with a box."""
    rows = [answering.logits_of(look, seen.places) for look in seen.looks]
    full = seen.full[list(seen.places)]
    boxed = {
        name: aggregated_logits([row.get(name) for row in rows], full, range(len(full))) for name in plan.box_branches
    }
    return {FULL: full, **boxed}


def _answer(photo: Photograph, plan: Plan, answering: Answering, seen: _Seen) -> Recognition:
    """The candidates' logits, spread over all classes again, so that the rest is as for any picture."""
    logits = _branch_logits(plan, answering, seen)
    fusion = plan.options.candidate_fusion
    combined = combined_logits(logits, fusion)
    shown = [name for name in logits if name == FULL or any(name in look for look in seen.looks)]
    spread = _spread(np.stack([combined, *(logits[name] for name in shown)]), seen.places, len(answering.labels))
    evidence = Evidence(tuple(shown), spread[1:], None, answering.prior_row)
    probabilities = softmax(evidence.with_prior(spread[0]))
    best = seen.places.index(int(probabilities.argmax()))
    located = seen.found[best]
    branch = max(shown, key=lambda name: float(logits[name][best]))
    how = f"{fusion} logits of {', '.join(logits)} over {len(seen.places)} candidates"
    fused = Fused(probabilities, branch, f"{how}; {branch} is surest of this label")
    return Recognition(
        verdict=answering.verdict_of(replace(evidence, box_score=located.box_score), fused, f"candidates_{fusion}"),
        fallback=located.fallback or (None if seen.looks[best] else "no_detection"),  # the mask may be empty
        detections=located.detections[:1],
        width=photo.frame.width,
        height=photo.frame.height,
        timings_ms={},
        metadata=answering.metadata_effect(lambda: softmax(spread[0])),
        candidates=tuple(
            Candidate(
                answering.labels[place],
                seen.found[number].best,
                {name: float(row[number]) for name, row in logits.items()},
                float(combined[number]),
            )
            for number, place in enumerate(seen.places)
        ),
        embeddings={**seen.whole, **seen.looks[best]} if plan.options.embeddings else None,
    )


def _spread(rows: Floats, places: Sequence[int], count: int) -> Floats:
    """`rows [R, K]` over `count` classes, NOWHERE for those that are no candidates."""
    everywhere = np.full((len(rows), count), NOWHERE, np.float32)
    everywhere[:, list(places)] = rows
    return everywhere
