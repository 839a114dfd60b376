import math

from service.telemetry import BUSY_FOR_S, Occupancy


def test_nobody_was_there_yet() -> None:
    assert not Occupancy().is_busy


def test_it_is_busy_while_someone_is_inside_and_for_a_moment_after() -> None:
    occupancy = Occupancy()
    occupancy.enter()
    occupancy.enter()
    occupancy.leave()
    occupancy.left_s = -math.inf
    assert occupancy.inside == 1
    assert occupancy.is_busy
    occupancy.leave()
    assert occupancy.is_busy
    occupancy.left_s -= BUSY_FOR_S
    assert not occupancy.is_busy
