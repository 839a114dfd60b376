"""Where the service may listen while it asks nobody for a key."""

import ipaddress

from service.errors import SettingsError


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. A name counts as what it says, not as what it may resolve to."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, *, has_keys: bool, allow_anonymous: bool) -> None:
    """Raises SettingsError where strangers would be let in."""
    if not (has_keys or allow_anonymous or is_loopback(host)):
        raise SettingsError(
            f"without keys the service listens on this machine alone, not on {host!r}: make a key with `l2r2 keys new` "
            "and set L2R2_KEYS_FILE to its file, or, in a network where everybody is trusted, set "
            "L2R2_ALLOW_ANONYMOUS=true"
        )
