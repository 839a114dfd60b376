"""How backgrounds are drawn."""

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.variants import VARIANTS
from service.evaluation.variants.grounds import Grounds
from service.evaluation.variants.subjects import Subject
from service.recognition.boxes import Box


def subject(label: str, number: int) -> Subject:
    name = f"{label}/{number}"
    return Subject(Path(name), label, name, name, name, 9, 9, Box(1, 1, 5, 5), None, "")


def subjects(classes: int, each: int) -> list[Subject]:
    return [subject(f"class {label}", number) for label in range(classes) for number in range(each)]


def test_a_random_background_is_of_any_class_and_any_of_its_pictures() -> None:
    everyone = subjects(6, 6)
    times: Counter[str] = Counter()
    for seed in range(40):
        grounds = Grounds(everyone, seed)
        times.update(grounds.choose(VARIANTS["mixed_rand"], one, 0)[0].name for one in everyone)
    assert len(times) == len(everyone)
    assert min(times.values()) > 0.5 * 40
    assert max(times.values()) < 1.6 * 40


@given(st.integers(2, 5), st.integers(1, 5), st.integers(0, 30), st.integers(0, 2**63))
def test_draws_are_different_fit_their_kind_and_know_no_order(classes: int, each: int, most: int, seed: int) -> None:
    everyone = subjects(classes, each)
    mixed = everyone[::-1]
    for one in everyone[:: max(1, each)]:
        drawn = Grounds(everyone, seed).choose(VARIANTS["mixed_adversarial"], one, most)
        assert len(set(drawn)) == len(drawn) == min(most, (classes - 1) * each)
        assert all(other.label != one.label for other in drawn)
        assert drawn == Grounds(mixed, seed).choose(VARIANTS["mixed_adversarial"], one, 30)[:most]
        same = Grounds(mixed, seed).choose(VARIANTS["mixed_same"], one, 0)
        assert [other.label for other in same] == [one.label] * (each > 1)
        assert one not in same
