import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.recognition.prompts import class_prompts, joined, normalized_object_prompt, split_by_tokens

words = st.text("abc ", min_size=1, max_size=12).filter(str.strip)


def test_every_template_is_filled_with_every_name() -> None:
    assert class_prompts(["cat", "{x}"], ["a {}", "{} and {}"]) == ["a cat", "cat and cat", "a {x}", "{x} and {x}"]


@pytest.mark.parametrize(("prompt", "normal"), [("A Cat.", "a cat"), ("  big   Dog . ", "big dog"), ("bird", "bird")])
def test_object_prompts_have_one_form(prompt: str, normal: str) -> None:
    assert normalized_object_prompt(prompt) == normal


def test_joined_prompts_are_separated_and_closed_by_full_stops() -> None:
    assert joined(["Cat", "a Dog."]) == "cat. a dog."


def count(text: str) -> int:
    return len(text.replace(".", " . ").split()) + 2


@given(st.lists(words, max_size=10), st.integers(6, 20))
def test_runs_keep_all_prompts_in_order_within_the_limit(prompts: list[str], limit: int) -> None:
    longest = max((count(joined([prompt])) for prompt in prompts), default=0)
    if longest > limit:
        with pytest.raises(ValueError, match="tokens"):
            split_by_tokens(prompts, count, limit)
        return
    runs = split_by_tokens(prompts, count, limit)
    assert [prompt for run in runs for prompt in run] == prompts
    assert all(run and count(joined(run)) <= limit for run in runs)


def test_runs_are_as_long_as_the_limit_allows() -> None:
    assert split_by_tokens(["a", "b", "c"], count, 6) == [("a", "b"), ("c",)]


def test_a_prompt_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 6 tokens"):
        split_by_tokens(["a", "one two three four five six"], count, 6)


def test_no_prompts_are_no_runs() -> None:
    assert split_by_tokens([], count, 6) == []
