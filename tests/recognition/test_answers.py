"""What an answer says of the box."""

import pytest

from service.recognition.answers import box_score


@pytest.mark.parametrize(
    ("fallback", "best", "expected"),
    [
        ("disabled", None, None),
        ("no_detection", None, 0.0),
        ("timeout", None, 0.0),
        ("low_score", 0.2, 0.2),
        (None, 0.7, 0.7),
    ],
)
def test_a_box_not_found_scores_nothing_and_one_not_looked_for_does_not_count(
    fallback: str | None, best: float | None, expected: float | None
) -> None:
    assert box_score(fallback, best) == expected
