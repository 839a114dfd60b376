"""Running out of memory, with a work that really raises torch's error above a size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ModelFailed
from service.models.portions import Portions


class SmallDevice:
    """Doubles numbers, at most so many at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def __call__(self, numbers: list[int]) -> list[int]:
        self.tried.append(len(numbers))
        if len(numbers) > self.room:
            raise torch.OutOfMemoryError(f"tried to allocate {len(numbers)}")
        return [2 * number for number in numbers]


def doubled(portions: Portions, device: SmallDevice, count: int) -> list[int]:
    numbers = list(range(count))
    return [number for part in portions(count, lambda part: device(numbers[part])) for number in part]


@given(st.integers(0, 70), st.integers(1, 70), st.integers(1, 70))
def test_every_picture_is_answered_in_order_however_little_fits(count: int, most: int, room: int) -> None:
    device, portions = SmallDevice(room), Portions("model", most)
    assert doubled(portions, device, count) == [2 * number for number in range(count)]
    assert all(size <= most for size in device.tried)
    assert portions.most <= most


def test_half_as_many_are_tried_and_the_smaller_number_is_kept() -> None:
    device, portions = SmallDevice(5), Portions("model", 16)
    assert doubled(portions, device, 18) == [2 * number for number in range(18)]
    assert device.tried == [16, 8, 4, 4, 4, 4, 2]
    device.tried.clear()
    doubled(portions, device, 8)
    assert device.tried == [4, 4]


def test_a_short_last_portion_that_does_not_fit_counts_by_its_own_size() -> None:
    device, portions = SmallDevice(2), Portions("model", 64)
    doubled(portions, device, 6)
    assert device.tried == [6, 3, 1, 1, 1, 1, 1, 1]


def test_one_picture_that_does_not_fit_is_refused_with_the_reason() -> None:
    portions = Portions("encoder", 4)
    with pytest.raises(ModelFailed, match="encoder: the device's memory is too small for 1 at a time"):
        doubled(portions, SmallDevice(0), 3)


def test_another_error_is_left_as_it_is() -> None:
    def broken(_part: slice) -> list[int]:
        raise RuntimeError("a kernel failed")

    portions = Portions("model", 4)
    with pytest.raises(RuntimeError, match="a kernel failed"):
        portions(3, broken)
    assert portions.most == 4
