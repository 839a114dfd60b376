"""An answer for people: a table in the terminal, a box in the picture."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.client import Answer, Box, Branch, Score, Verdict
from service.errors import FieldProblem, InvalidFields
from service.images import FINE_LIMITS, decode

_REASONS = {
    "no_detection": "no object was found",
    "low_score": "the box is too uncertain",
    "timeout": "the localizer took too long",
    "disabled": "no box was asked for",
}
OVERLAY_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
BOX_COLOUR = (255, 64, 0)


def sentence(answer: Answer) -> str:
    """Why it answered as it did, in plain words."""
    if answer.abstained:
        return f"no class is sure enough to be named; {answer.reason}"
    if answer.fallback is not None:
        return f"{_REASONS.get(answer.fallback, answer.fallback)}; {answer.reason}"
    return answer.reason


def report(title: str, answer: Answer) -> RenderableType:
    """The answer, its reason, and the branches side by side."""
    head = Text.assemble((title, "bold"), " → ", (caption(answer), "bold green"), f" {answer.confidence:.1%}")
    lines: list[RenderableType] = [head, Text(sentence(answer), style="dim"), Text(box_line(answer), style="dim")]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*answer.branches, "fused"):
        table.add_column(column, min_width=16)
    sides = [*(_column(branch) for branch in answer.branches.values()), _rows(answer.scores)]
    for row in range(len(answer.scores)):
        table.add_row(*(side[row] if row < len(side) else "" for side in sides))
    return Group(*lines, table, *_more(answer), Text())


def caption(verdict: Verdict) -> str:
    return verdict.label or f"none of them (nearest: {verdict.scores[0].label})"


def _more(answer: Answer) -> list[Text]:
    """What was asked for besides: objects, candidates, metadata, a cascade."""
    lines = [
        f"object {box_edges(entry.box)}: {caption(entry)} {entry.confidence:.1%}" for entry in answer.objects or ()
    ]
    for candidate in answer.candidates or ():
        found = box_edges(candidate.box) if candidate.box else "not found"
        lines.append(f"candidate {candidate.label}: {found}, logit {candidate.combined:.2f}")
    if answer.metadata is not None:
        without = answer.metadata.without
        lines.append(f"without metadata: {without.label} {without.confidence:.1%}")
        lines += [f"ignored {attribute}: {reason}" for attribute, reason in answer.metadata.ignored.items()]
    if answer.cascade is not None:
        more = "the others were left out" if answer.cascade.stopped else "the others were asked too"
        lines.append(f"{answer.cascade.first} was asked first, {answer.cascade.confidence:.1%} sure: {more}")
    return [Text(line, style="dim") for line in lines]


def box_line(answer: Answer) -> str:
    size = f"{answer.image.width} x {answer.image.height} pixels"
    if answer.box is None:
        return f"{size}, no box"
    prompt = f", prompt {answer.box.prompt!r}" if answer.box.prompt else ""
    return f"{size}, box {box_edges(answer.box)}, score {answer.box.score:.2f}{prompt}"


def box_edges(box: Box) -> str:
    return f"({box.x0:.0f}, {box.y0:.0f}, {box.x1:.0f}, {box.y1:.0f})"


def _column(branch: Branch | None) -> list[Text]:
    return [Text("not used", style="dim")] if branch is None else _rows(branch.scores)


def _rows(scores: tuple[Score, ...]) -> list[Text]:
    return [Text(f"{score.confidence:6.1%}  {score.label}") for score in scores]


def check_overlay_name(target: Path) -> None:
    """Raises InvalidFields for a suffix that is no picture's, or a folder that is not there, before any model time is
    spent."""
    if target.suffix.lower() not in OVERLAY_SUFFIXES:
        raise InvalidFields(FieldProblem("save-overlay", f"{target.name} is no picture's name", OVERLAY_SUFFIXES))
    if not target.parent.is_dir():
        raise InvalidFields(FieldProblem("save-overlay", f"there is no folder {target.parent}"))
    if target.is_dir():
        raise InvalidFields(FieldProblem("save-overlay", f"{target} is a folder"))


def save_overlay(image: bytes, answer: Answer, target: Path) -> None:
    """The upright picture with the box and the answer drawn in, in the format of `target`'s suffix.

    Where several objects were asked for, each has its own.
    """
    picture = decode(image, FINE_LIMITS)
    canvas = Image.fromarray(picture.rgb)
    draw = ImageDraw.Draw(canvas)
    size_px = max(12, canvas.width // 32)
    x_scale, y_scale = picture.scale
    font = ImageFont.load_default(size_px)
    marked: list[tuple[Box | None, Verdict]] = [(entry.box, entry) for entry in answer.objects or ()]
    for box, verdict in marked or [(answer.box, answer)]:
        corner = (0.0, 0.0)
        if box is not None:
            x0, y0, x1, y1 = box.x0 / x_scale, box.y0 / y_scale, box.x1 / x_scale, box.y1 / y_scale
            right, lower = max(x0, x1 - 1), max(y0, y1 - 1)
            draw.rectangle((x0, y0, right, lower), outline=BOX_COLOUR, width=max(2, size_px // 6))
            corner = (x0, max(0.0, y0 - 1.3 * size_px))
        text = f"{caption(verdict)} {verdict.confidence:.0%} ({verdict.branch})"
        draw.rectangle(draw.textbbox(corner, text, font=font), fill=BOX_COLOUR)
        draw.text(corner, text, fill=(255, 255, 255), font=font)
    canvas.save(target)
