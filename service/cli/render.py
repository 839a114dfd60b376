"""A recognition for people: a table in the terminal, a box in the picture."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.errors import FieldProblem, InvalidFields
from service.images import decode
from service.recognition.answers import Branch, Recognition, Score

_REASONS = {
    "no_detection": "no object was found",
    "low_score": "the box is too uncertain",
    "timeout": "the localizer took too long",
    "disabled": "no box was asked for",
}
OVERLAY_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
BOX_COLOUR = (255, 64, 0)


def sentence(answer: Recognition) -> str:
    """Why it answered as it did, in plain words."""
    if answer.fallback is not None:
        return f"{_REASONS[answer.fallback]}: the full picture alone answers"
    full, fg = answer.branches["full"], answer.branches["fg"]
    if full is None or fg is None:
        return f"the {answer.branch} view alone was asked"
    winner, other = (fg, full) if answer.branch == "fg" else (full, fg)
    names = {"fg": "crop", "full": "full picture"}
    return f"the {names[answer.branch]} was surer: {winner.confidence:.1%} against {other.confidence:.1%}"


def report(title: str, answer: Recognition) -> RenderableType:
    """The answer, its reason, and the branches side by side."""
    head = Text.assemble((title, "bold"), " → ", (answer.label, "bold green"), f" {answer.confidence:.1%}")
    lines: list[RenderableType] = [head, Text(sentence(answer), style="dim"), Text(box_line(answer), style="dim")]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("full", "fg", "fused"):
        table.add_column(column, min_width=24)
    sides = [_column(answer.branches["full"]), _column(answer.branches["fg"]), _rows(answer.scores)]
    for row in range(len(answer.scores)):
        table.add_row(*(side[row] if row < len(side) else "" for side in sides))
    return Group(*lines, table, Text())


def box_line(answer: Recognition) -> str:
    if not answer.detections:
        return f"{answer.width} x {answer.height} pixels, no box"
    found = answer.detections[0]
    edges = ", ".join(f"{edge:.0f}" for edge in vars(found.box).values())
    prompt = f", prompt {found.prompt!r}" if found.prompt else ""
    return f"{answer.width} x {answer.height} pixels, box ({edges}), score {found.score:.2f}{prompt}"


def _column(branch: Branch | None) -> list[Text]:
    return [Text("not used", style="dim")] if branch is None else _rows(branch.scores)


def _rows(scores: tuple[Score, ...]) -> list[Text]:
    return [Text(f"{score.confidence:6.1%}  {score.label}") for score in scores]


def check_overlay_name(target: Path) -> None:
    """Raises InvalidFields for a suffix that is no picture's, before any model time is spent."""
    if target.suffix.lower() not in OVERLAY_SUFFIXES:
        raise InvalidFields(FieldProblem("save-overlay", f"{target.name} is no picture's name", OVERLAY_SUFFIXES))


def save_overlay(image: bytes, answer: Recognition, target: Path) -> None:
    """The upright picture with the box and the answer drawn in, in the format of `target`'s suffix."""
    picture = decode(image)
    canvas = Image.fromarray(picture.rgb)
    draw = ImageDraw.Draw(canvas)
    size_px = max(12, canvas.width // 32)
    caption = f"{answer.label} {answer.confidence:.0%} ({answer.branch})"
    x_scale, y_scale = picture.scale
    corner = (0.0, 0.0)
    if answer.detections:
        box = answer.detections[0].box.scaled(1 / x_scale, 1 / y_scale)
        right, lower = max(box.x0, box.x1 - 1), max(box.y0, box.y1 - 1)
        draw.rectangle((box.x0, box.y0, right, lower), outline=BOX_COLOUR, width=max(2, size_px // 6))
        corner = (box.x0, max(0.0, box.y0 - 1.3 * size_px))
    font = ImageFont.load_default(size_px)
    draw.rectangle(draw.textbbox(corner, caption, font=font), fill=BOX_COLOUR)
    draw.text(corner, caption, fill=(255, 255, 255), font=font)
    canvas.save(target)
