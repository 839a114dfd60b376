"""Which key may ask for what. A path that no rule names needs a key: a new route is closed until a rule opens it."""

from collections.abc import Collection
from dataclasses import dataclass

from service.access.keys import SCOPES, Scope

READING = ("GET", "HEAD")
PROBES = ("/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready")
EVERY_SCOPE = frozenset(SCOPES)
CLASSIFY: frozenset[Scope] = frozenset({"classify"})
MANAGE: frozenset[Scope] = frozenset({"manage"})
CALLERS = CLASSIFY | MANAGE


@dataclass(frozen=True)
class Rule:
    """For `path` and what lies below it: of which scopes a key needs one to read, and for everything else."""

    path: str
    reading: frozenset[Scope]
    other: frozenset[Scope]


RULES = (
    Rule("/classify", reading=CLASSIFY, other=CLASSIFY),
    Rule("/datasets", reading=CALLERS, other=MANAGE),
    Rule("/models", reading=CALLERS, other=MANAGE),
    Rule("/metrics", reading=EVERY_SCOPE, other=CALLERS),
    Rule("/healthz", reading=EVERY_SCOPE, other=CALLERS),
)  # the first that fits holds


def scopes_needed(method: str, path: str, public_paths: Collection[str] = ()) -> frozenset[Scope] | None:
    """Scopes of which a key needs one; None: nobody is asked for a key. `public_paths` may be read by everybody."""
    reads = method in READING
    if path in PROBES or (reads and any(lies_below(path, public) for public in public_paths)):
        return None
    for rule in RULES:
        if lies_below(path, rule.path):
            return rule.reading if reads else rule.other
    return CALLERS


def lies_below(path: str, top: str) -> bool:
    """`/` is itself alone, else it would be everything."""
    return path == top or (top != "/" and path.startswith(top.rstrip("/") + "/"))
