"""Keys: random secrets of which only a digest is kept."""

import hashlib
import secrets
from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from service.errors import FieldProblem, InvalidFields

Scope = Literal["classify", "manage", "observe"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "l2r2_"  # so that a key that lies somewhere can be told for one
SECRET_BYTES = 32
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Key(BaseModel):
    """One line of the key file. `per_minute`: requests, which may come at once; `concurrent`: requests at a time; null
    for no limit. `expires`: from when on it is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    sha256: Digest
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    per_minute: Count | None = None
    concurrent: Count | None = None
    expires: AwareDatetime | None = None

    def has_expired(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires


class Keys(BaseModel):
    """The key file's content; no two keys share a name or a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    keys: tuple[Key, ...]

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        for field in ("name", "sha256"):
            values = [getattr(key, field) for key in self.keys]
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"two keys have the {field} {min(twice)}")
        return self


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(presented: bytes) -> bytes:
    """What is kept and compared. One round of SHA-256 is enough: a slow, salted hash protects secrets that people chose
    and that can be guessed; these are 256 random bits, which nobody guesses from their digest."""
    return hashlib.sha256(presented).digest()


def new_key(name: str, secret: str, **limits: Any) -> Key:
    """The line of the file for a secret; `limits` are the other fields of `Key`. Raises InvalidFields."""
    try:
        return Key(name=name, sha256=digest_of(secret.encode()).hex(), **limits)
    except ValidationError as error:
        problems = [FieldProblem(str(fault["loc"][0]), words(fault["msg"])) for fault in error.errors()]
        raise InvalidFields(*problems) from None


def words(message: str) -> str:
    """What pydantic says, without its way to say it."""
    return message.removeprefix("Value error, ")
