import pytest

from service.durations import told


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60, "60.0 s"),
        (12.46, "12.5 s"),
        (0.25, "250 ms"),
        (0.0196, "20 ms"),
        (0.0003, "0.3 ms"),
        (0, "0 ms"),
        (-5, "0 ms"),
    ],
)
def test_a_short_time_is_told_in_milliseconds(seconds: float, words: str) -> None:
    assert told(seconds) == words
