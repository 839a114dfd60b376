import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models.localizers import detector
from service.models.localizers.detector import (
    LEAST_SCORE,
    MOST_DETECTIONS,
    KeptFeatures,
    detections_in_picture,
    runs_of_equals,
)
from service.models.ports import LocatorInput, PromptSet


def entry(side: int, *prompts: str) -> LocatorInput:
    return LocatorInput(np.zeros((3, side, side), np.float32), side, side, PromptSet(prompts))


def key(item: LocatorInput) -> tuple[PromptSet, tuple[int, ...]]:
    return item.prompts, item.pixels.shape


def test_only_equals_share_a_group() -> None:
    inputs = [entry(4, "a"), entry(5, "a"), entry(4, "a"), entry(4, "b"), entry(5, "a")]
    groups = runs_of_equals(inputs, key)
    assert [places for places, _ in groups] == [[0, 2], [1, 4], [3]]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("abc")), max_size=12))
def test_groups_hold_every_input_once_at_its_place(sizes: list[tuple[int, str]]) -> None:
    inputs = [entry(side, prompt) for side, prompt in sizes]
    groups = runs_of_equals(inputs, key)
    assert sorted(place for places, _ in groups for place in places) == list(range(len(inputs)))
    for places, group in groups:
        assert [inputs[place] for place in places] == group
        assert len({key(item) for item in group}) == 1


def detect(boxes: list[tuple[float, ...]], scores: list[float], prompts: list[str | None] | None = None) -> list:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return detections_in_picture(array, np.array(scores, np.float32), prompts or [None] * len(boxes), 100, 50)


def test_detections_come_best_first_with_their_prompts_and_clipped() -> None:
    found = detect([(10, 10, 20, 20), (-5, 40, 120, 60)], [0.3, 0.9], ["cat", "dog"])
    assert [(item.prompt, round(item.score, 3)) for item in found] == [("dog", 0.9), ("cat", 0.3)]
    assert (found[0].box.x0, found[0].box.y0, found[0].box.x1, found[0].box.y1) == (0, 40, 100, 50)


@pytest.mark.parametrize(
    ("box", "score"),
    [
        ((10, 10, 20, 20), LEAST_SCORE / 2),
        ((10, 10, 20, 20), math.nan),
        ((200, 10, 220, 20), 0.9),
        ((20, 10, 20, 20), 0.9),
        ((30, 10, 20, 20), 0.9),
        ((math.nan, 10, 20, 20), 0.9),
    ],
    ids=["too low", "no number", "outside", "no width", "turned round", "no edge"],
)
def test_what_is_no_detection_is_left_out(box: tuple[float, ...], score: float) -> None:
    assert detect([box], [score]) == []


def test_of_equal_scores_the_first_stays_first() -> None:
    found = detect([(10 * place, 0, 10 * place + 5, 5) for place in range(4)], [0.5] * 4)
    assert [item.box.x0 for item in found] == [0, 10, 20, 30]


def test_there_are_at_most_so_many_detections() -> None:
    assert len(detect([(0, 0, 5, 5)] * (MOST_DETECTIONS + 5), [0.5] * (MOST_DETECTIONS + 5))) == MOST_DETECTIONS


def test_a_score_rounded_past_one_is_one() -> None:
    assert detect([(0, 0, 5, 5)], [1.0000001])[0].score == 1.0


def test_features_are_computed_once_and_the_least_recently_used_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "KEPT_PROMPT_SETS", 2)
    computed: list[str] = []

    def compute(prompts: PromptSet) -> int:
        computed.append(prompts.prompts[0])
        return len(computed)

    kept = KeptFeatures(compute)
    a, b, c = (PromptSet((name,)) for name in "abc")
    assert [kept(a), kept(b), kept(a), kept(c), kept(a)] == [1, 2, 1, 3, 1]
    assert kept(b) == 4
    assert computed == ["a", "b", "c", "b"]


def test_what_failed_is_not_kept() -> None:
    answers = iter([ValueError("too long"), 7])

    def compute(_prompts: PromptSet) -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    kept = KeptFeatures(compute)
    with pytest.raises(ValueError, match="too long"):
        kept(PromptSet(("a",)))
    assert kept(PromptSet(("a",))) == 7
