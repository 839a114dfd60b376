import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.recognition.colours import NAMED_COLOURS, colour_of, is_colour

MEAN = (122, 116, 104)
levels = st.integers(0, 255)


@given(levels, levels, levels, st.booleans())
def test_a_hex_number_is_red_green_and_blue(red: int, green: int, blue: int, upper: bool) -> None:
    text = f"#{red:02X}{green:02X}{blue:02X}" if upper else f"#{red:02x}{green:02x}{blue:02x}"
    assert is_colour(text)
    assert colour_of(text, MEAN) == (red, green, blue)


@pytest.mark.parametrize(("name", "colour"), [("mean", MEAN), ("black", (0, 0, 0)), ("white", (255, 255, 255))])
def test_colours_have_names_and_the_mean_is_the_encoders(name: str, colour: tuple[int, ...]) -> None:
    assert is_colour(name)
    assert name in NAMED_COLOURS
    assert colour_of(name, MEAN) == colour


def test_a_black_mean_stays_black() -> None:
    assert colour_of("mean", (0, 0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("text", ["", "grey", "#fff", "#12345g", "123456", "#1234567", "#123456\n", "Black", " black"])
def test_what_is_no_colour_is_refused_with_the_known_ones(text: str) -> None:
    assert not is_colour(text)
    with pytest.raises(ValueError, match="mean, black, white and not #rrggbb"):
        colour_of(text, MEAN)
