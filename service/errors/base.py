"""What every error is."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """One bad field: where it is (`classes[3].name`), what is wrong, and what would be right (if it can be listed)."""

    field: str
    detail: str
    allowed: tuple[str, ...] | None = None


class ServiceError(Exception):
    status: int = 500
    code: str = "internal_error"
    title: str = "Internal error"

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def counted_as(self) -> str:
        """The code, or more precisely where one code stands for several causes; for counting, not for callers."""
        return self.code

    @property
    def problems(self) -> Sequence[FieldProblem]:
        return ()
