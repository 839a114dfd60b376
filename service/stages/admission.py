"""Who may come in: as many as may wait, and of those the ones that can be answered in time."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from service.durations import told
from service.errors import DeadlineExceeded, Overloaded
from service.telemetry import Occupancy, Pace

MARGIN = 2.0  # a picture may take so much longer than it looks: the mean is of others, and the pace may fall


@dataclass(frozen=True)
class Deadline:
    """`timeout_s` seconds from its making."""

    timeout_s: float
    at_s: float = field(init=False)

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s must be positive, not {self.timeout_s}")
        object.__setattr__(self, "at_s", time.monotonic() + self.timeout_s)

    @property
    def left_s(self) -> float:
        return self.at_s - time.monotonic()


class Place:
    """One picture's, from its admission on; it is left once. Only what happens from `begin` on counts as work of the
    models: before it the picture is decoded. is_own: of the service's own picture, no caller's."""

    def __init__(self, occupancy: Occupancy, pace: Pace, deadline: Deadline, is_own: bool = False) -> None:
        self.is_own = is_own
        self._occupancy, self._pace, self._deadline = occupancy, pace, deadline
        self._is_taken, self._is_begun = True, False
        occupancy.enter()

    @property
    def timeout_s(self) -> float:
        return self._deadline.timeout_s

    @property
    def left_s(self) -> float:
        return self._deadline.left_s

    def begin(self) -> None:
        self._is_begun = True
        self._pace.begin()

    def leave(self, *, worked: bool = False) -> None:
        """`worked`: a model ran, and there is an answer."""
        if self._is_taken:
            self._is_taken = False
            self._occupancy.leave()
            if self._is_begun:
                self._pace.end(completed=worked)


class Admission:
    """Counted by one thread.

    The wait is judged by the mean time between completions, whatever the pictures are and however the models share
    their work. Who comes to an idle service is never refused, so that a wrong estimate mends itself.
    """

    def __init__(self, max_waiting: int) -> None:
        self.occupancy, self.pace, self._max_waiting = Occupancy(), Pace(), max_waiting

    def judge(self, pictures: int, left_s: float) -> None:
        """Refuse so many further pictures if they could not be answered within `left_s` seconds.

        Raises:
            Overloaded: with how long the caller should wait.
            DeadlineExceeded: no time is left.
        """
        if left_s <= 0:
            raise DeadlineExceeded("the time was over before the picture was there")
        inside = self.occupancy.inside
        if not inside:
            return
        expected_s = self.expected_s(pictures)
        if inside + pictures > self._max_waiting:
            raise Overloaded(f"{inside} pictures are being recognized or wait for it", retry_after_s=1)
        if expected_s is not None and expected_s > left_s:
            detail = f"an answer would take {told(expected_s)}, and has to come within {told(left_s)}"
            raise Overloaded(detail, retry_after_s=max(1, math.ceil(expected_s - left_s)), of="time")

    def expected_s(self, pictures: int) -> float | None:
        """Until the last of so many further pictures would be answered; None while nothing is known."""
        mean_s = self.pace.mean_s
        return None if mean_s is None else (self.occupancy.inside + pictures) * mean_s * MARGIN

    @contextmanager
    def place(self, deadline: Deadline) -> Iterator[Place]:
        """For one picture that was judged, alone or with others; left at the end."""
        taken = Place(self.occupancy, self.pace, deadline)
        try:
            yield taken
        finally:
            taken.leave()

    def patient_place(self, timeout_s: float) -> Place:
        """For one who waits as long as it takes. Raises Overloaded where too many do."""
        self.judge(1, math.inf)
        return Place(self.occupancy, self.pace, Deadline(timeout_s))

    def own_place(self, timeout_s: float) -> Place:
        """For a picture of the service's own, which is always let in; the first one tells of the pace."""
        pace = self.pace if self.pace.mean_s is None else Pace()
        return Place(Occupancy(), pace, Deadline(timeout_s), is_own=True)
