"""Who must go when there are too many connections."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.serving.crowd import MOST_OUTSIDE, Crowd
from service.serving.limits import BACKLOG, OTHER_FILES, ConnectionLimits, connections_within, raise_open_files


@dataclass(eq=False)
class Guest:
    """Has no request in progress since the step `idle_since`, if it has none."""

    crowd: Crowd
    idle_since: int | None
    ended: list["Guest"] = field(repr=False)

    def make_room(self) -> None:
        self.ended.append(self)


steps = st.lists(st.tuples(st.sampled_from(["come", "ask", "answered", "leave"]), st.integers(0, 20)), max_size=200)


@given(st.integers(1, 5), steps)
def test_there_are_never_too_many_and_the_longest_idle_goes_first(most: int, taken: Sequence[tuple[str, int]]) -> None:
    crowd = Crowd(most)
    inside: list[Guest] = []
    for now, (step, which) in enumerate(taken):
        ended: list[Guest] = []
        if step == "come":
            idle = [guest for guest in inside if guest.idle_since is not None]
            guest = Guest(crowd, now, ended)
            for other in inside:
                other.ended = ended
            admitted = crowd.admit(guest)
            assert admitted == (len(inside) < most or bool(idle))
            assert bool(ended) == (admitted and len(inside) == most)
            if ended:
                assert ended == [min(idle, key=lambda each: each.idle_since or 0)]
                inside.remove(ended[0])
            inside += [guest] if admitted else []
            if not admitted:
                crowd.leave(guest)
        elif inside:
            guest = inside[which % len(inside)]
            if step == "leave":
                crowd.leave(guest)
                inside.remove(guest)
            else:
                crowd.set_idle(guest, step == "answered")
                guest.idle_since = None if step == "ask" else now if guest.idle_since is None else guest.idle_since
        assert crowd.size == len(inside) <= most
        assert crowd.idle == sum(guest.idle_since is not None for guest in inside)


def test_of_those_refused_only_so_many_take_their_leave_at_a_time() -> None:
    crowd = Crowd(1)
    ended: list[Guest] = []
    only = Guest(crowd, None, ended)
    assert crowd.admit(only)
    crowd.set_idle(only, False)
    refused = [Guest(crowd, None, ended) for _ in range(MOST_OUTSIDE + 3)]
    assert not any(crowd.admit(guest) for guest in refused)
    assert ended == refused[:3]
    crowd.set_idle(refused[5], True)  # is none of the crowd
    assert (crowd.size, crowd.idle) == (1, 0)


@given(st.integers(1, 10**6), st.integers(16, 2**31))
def test_connections_leave_open_files_for_others(asked: int, open_files: int) -> None:
    allowed = connections_within(asked, open_files)
    assert 1 <= allowed <= asked
    assert allowed == asked or open_files - allowed >= min(open_files // 2, OTHER_FILES + BACKLOG)


def test_open_files_are_as_many_as_they_may_be() -> None:
    import resource

    most = raise_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] in (most, resource.RLIM_INFINITY)
    assert raise_open_files() == most


@pytest.mark.parametrize(
    "wrong", [{"head_timeout_s": 0.0}, {"write_timeout_s": -1.0}, {"max_connections": 0}, {"max_headers": 0}]
)
def test_bounds_that_bound_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|longer"):
        ConnectionLimits(**wrong)  # type: ignore[arg-type]
