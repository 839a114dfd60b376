"""Every error class, with its code, status, and where it is explained."""

import inspect
from collections.abc import Iterator

import service.errors
from service.errors import ServiceError

INTRODUCTION = """# Errors

Every refusal is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `code` and
`request_id`; a refusal of fields has `errors`, each with `field`, `detail` and, where they can be listed, the `allowed`
values. Decide by `code`: it stays what it is, while `detail` is for people. A batch gives such a problem for each
picture that failed.

What to do about each is under [troubleshooting](../troubleshooting.md).

| code | status | title | class |
|---|---|---|---|
"""


def error_classes() -> list[type[ServiceError]]:
    """Each code once, by the first class that has it: in the order of the package's tree."""
    found: dict[str, type[ServiceError]] = {}
    for kind in (ServiceError, *_below(ServiceError)):
        if kind.__module__.startswith(service.errors.__name__):
            found.setdefault(kind.code, kind)
    return list(found.values())


def _below(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def errors_page() -> str:
    rows = [
        f"| [`{kind.code}`](../troubleshooting.md#{kind.code}) | {kind.status} | {kind.title} | `{kind.__name__}` |"
        for kind in sorted(error_classes(), key=lambda kind: (kind.status, kind.code))
    ]
    tree = inspect.cleandoc(service.errors.__doc__ or "").partition("\n\n")[2]
    return INTRODUCTION + "\n".join(rows) + f"\n\n## The tree\n\n```text\n{tree}\n```\n"
