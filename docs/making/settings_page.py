"""Every setting with its default and bounds."""

import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from service.settings import PREFIX, Settings

INTRODUCTION = """# Settings

Read from the environment when `l2r2 serve` starts; `--host`, `--port` and `--profile` win over it. The commands that
load models themselves read the same settings. A name that begins with `L2R2_` and is not listed here stops the start,
and so does a value out of its bounds. `L2R2_KEY` is no setting: it is the key that the command line sends to a service.
"""


def groups() -> list[type[BaseModel]]:
    """As README lists them: from the last base to the first."""
    found = [base for base in Settings.__bases__ if not issubclass(base, BaseSettings)]
    return found[::-1]


def settings_page() -> str:
    parts = [INTRODUCTION]
    for group in groups():
        title = (inspect.getdoc(sys.modules[group.__module__]) or "").partition("\n")[0].rstrip(".")
        parts += [f"## {title}", "", "| setting | default | bounds | meaning |", "|---|---|---|---|"]
        parts += [_row(name, Settings.model_fields[name]) for name in group.model_fields]
        parts.append("")
    return "\n".join(parts)


def shown_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default in (None, (), {}):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def _row(name: str, field: FieldInfo) -> str:
    default = shown_default(field)
    meaning = re.sub(r"\[([^\]]+)\]\(#[^)]*\)", r"\1", field.description or "").replace("|", r"\|")
    shown = f"`{default}`" if default else ""
    return f"| `{PREFIX}{name.upper()}` | {shown} | {_bounds(field.metadata)} | {meaning} |"


def _bounds(metadata: Iterable[Any]) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [(signs[name], getattr(entry, name)) for entry in metadata for name in signs if hasattr(entry, name)]
    return ", ".join(f"{sign} {value}" for sign, value in limits)
