from typing import Any

import pytest

from service.api.fields import ClassifyFields
from service.errors import InvalidFields


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"top_k": 101, "objects": 2}, "top_k", "at most 100 with objects, not 101"),
        ({"top_k": 1001}, "top_k", "at most 1000, not 1001"),
        ({"metadata": {"place": "a", "\ud800": "b"}}, "metadata", r"'\ud800' must not hold control characters"),
        ({"metadata": '{"a\\u0000": 1}'}, "metadata", r"'a\x00' must not hold control characters"),
    ],
)
def test_what_no_dataset_could_answer_is_refused(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        ClassifyFields.model_validate({"dataset": "pets", **fields}).options(1000)
    [problem] = caught.value.problems
    assert (problem.field, words in problem.detail) == (field, True)


@pytest.mark.parametrize("fields", [{"top_k": 101}, {"top_k": 100, "objects": 50}, {"metadata": {"höhe, m": 3}}])
def test_what_a_dataset_could_answer_is_left_to_it(fields: dict[str, Any]) -> None:
    ClassifyFields.model_validate({"dataset": "pets", **fields}).options(1000)
