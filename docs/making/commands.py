"""The command line's own help, as a page."""

from typing import Any

import typer
from typer.main import get_command

from service.cli.main import app

INTRODUCTION = """# Commands

What `l2r2 COMMAND --help` says. [Command line](../commands.md) shows how they are used together.
"""


def commands_page() -> str:
    command: Any = get_command(app)
    return "\n".join([INTRODUCTION, *_described(command, typer.Context(command, info_name="l2r2"), 2)])


def _described(command: Any, context: Any, level: int) -> list[str]:
    children = getattr(command, "commands", {})
    lines: list[str] = []
    if not children:
        path = context.command_path
        lines += [f"{'#' * level} `{path}`", "", _text(command.help), ""]
        usage = " ".join(command.collect_usage_pieces(context))
        lines += ["```text", f"{path} {usage}", "```", ""]
        lines += _parameters(command, context)
    for name, child in children.items():
        if not child.hidden:
            lines += _described(child, typer.Context(child, info_name=name, parent=context), level)
    return lines


def _parameters(command: Any, context: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            names = f"`{parameter.name}`"
        needed = " (needed)" if parameter.required else ""
        default = parameter.get_default(context)
        shown = "" if default in (None, False, [], ()) else f"`{default}`"
        rows.append(f"| {names}{needed} | {shown} | {_text(parameter.help)} |")
    return ["| option | default | meaning |", "|---|---|---|", *rows, ""] if rows else []


def _text(text: str | None) -> str:
    """`{` and `<` are left as they are; Markdown must not take them for its own."""
    return " ".join((text or "").split()).replace("|", r"\|").replace("<", "&lt;").replace("{}", "`{}`")
