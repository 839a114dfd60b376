"""How a caller shows a key."""

from service.errors import BadRequest


def key_headers(key: str | None) -> dict[str, str]:
    """Raises BadRequest for what no header can hold, without repeating it."""
    if key is None:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadRequest("this is no key (--key, or L2R2_KEY): it holds blanks or other signs than a key has")
    return {"Authorization": f"Bearer {key}"}
