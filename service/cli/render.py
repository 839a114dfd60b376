"""A recognition for people: a table in the terminal, a box in the picture."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.errors import FieldProblem, InvalidFields
from service.images import FINE_LIMITS, decode
from service.recognition.answers import Branch, Recognition, Score, Verdict
from service.recognition.boxes import Detection

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
    if answer.verdict.abstained:
        return f"no class is sure enough to be named; {answer.verdict.reason}"
    if answer.fallback is not None:
        return f"{_REASONS[answer.fallback]}; {answer.verdict.reason}"
    return answer.verdict.reason


def report(title: str, answer: Recognition) -> RenderableType:
    """The answer, its reason, and the branches side by side."""
    verdict = answer.verdict
    head = Text.assemble((title, "bold"), " → ", (caption(verdict), "bold green"), f" {verdict.confidence:.1%}")
    lines: list[RenderableType] = [head, Text(sentence(answer), style="dim"), Text(box_line(answer), style="dim")]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*verdict.branches, "fused"):
        table.add_column(column, min_width=16)
    sides = [*(_column(branch) for branch in verdict.branches.values()), _rows(verdict.scores)]
    for row in range(len(verdict.scores)):
        table.add_row(*(side[row] if row < len(side) else "" for side in sides))
    return Group(*lines, table, *_more(answer), Text())


def caption(verdict: Verdict) -> str:
    return verdict.label or f"none of them (nearest: {verdict.scores[0].label})"


def _more(answer: Recognition) -> list[Text]:
    """What was asked for besides: objects, candidates, metadata, a cascade."""
    lines = [
        f"object {box_edges(entry.detection)}: {caption(entry.verdict)} {entry.verdict.confidence:.1%}"
        for entry in answer.objects or ()
    ]
    for candidate in answer.candidates or ():
        found = box_edges(candidate.detection) if candidate.detection else "not found"
        lines.append(f"candidate {candidate.label}: {found}, logit {candidate.combined:.2f}")
    if answer.metadata is not None:
        without = answer.metadata.without
        lines.append(f"without metadata: {without.label} {without.confidence:.1%}")
        lines += [f"ignored {attribute}: {reason}" for attribute, reason in answer.metadata.ignored.items()]
    if answer.cascade is not None:
        more = "the others were left out" if answer.cascade.stopped else "the others were asked too"
        lines.append(f"{answer.cascade.first} was asked first, {answer.cascade.confidence:.1%} sure: {more}")
    return [Text(line, style="dim") for line in lines]


def box_line(answer: Recognition) -> str:
    if not answer.detections:
        return f"{answer.width} x {answer.height} pixels, no box"
    found = answer.detections[0]
    prompt = f", prompt {found.prompt!r}" if found.prompt else ""
    return f"{answer.width} x {answer.height} pixels, box {box_edges(found)}, score {found.score:.2f}{prompt}"


def box_edges(found: Detection) -> str:
    return f"({', '.join(f'{edge:.0f}' for edge in vars(found.box).values())})"


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


def save_overlay(image: bytes, answer: Recognition, target: Path) -> None:
    """The upright picture with the box and the answer drawn in, in the format of `target`'s suffix.

    Where several objects were asked for, each has its own.
    """
    picture = decode(image, FINE_LIMITS)
    canvas = Image.fromarray(picture.rgb)
    draw = ImageDraw.Draw(canvas)
    size_px = max(12, canvas.width // 32)
    x_scale, y_scale = picture.scale
    font = ImageFont.load_default(size_px)
    marked: list[tuple[Detection | None, Verdict]] = [
        (entry.detection, entry.verdict) for entry in answer.objects or ()
    ]
    for found, verdict in marked or [(answer.detections[0] if answer.detections else None, answer.verdict)]:
        corner = (0.0, 0.0)
        if found is not None:
            box = found.box.scaled(1 / x_scale, 1 / y_scale)
            right, lower = max(box.x0, box.x1 - 1), max(box.y0, box.y1 - 1)
            draw.rectangle((box.x0, box.y0, right, lower), outline=BOX_COLOUR, width=max(2, size_px // 6))
            corner = (box.x0, max(0.0, box.y0 - 1.3 * size_px))
        text = f"{caption(verdict)} {verdict.confidence:.0%} ({verdict.branch})"
        draw.rectangle(draw.textbbox(corner, text, font=font), fill=BOX_COLOUR)
        draw.text(corner, text, fill=(255, 255, 255), font=font)
    canvas.save(target)
