"""The contact sheet of suspicious cut-outs: one HTML file that needs nothing else."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image, ImageDraw

from service.errors import ImageError
from service.evaluation.cutout.places import printable
from service.evaluation.cutout.review import REASONS, Reviewed
from service.images import ImageLimits, Picture, decode

THUMBNAIL_PX = 240
BOX_COLOUR = (255, 64, 0)
MOST_SHOWN = 500  # about 10 MB; all are in the table


@dataclass(frozen=True)
class Thumbnails:
    """Data URIs of the original with its box and of the cut-out; None where there is no picture."""

    original: str | None
    cutout: str | None


@dataclass(frozen=True)
class Shown:
    """What a contact needs: the files, and the box `x0, y0, x1, y1` in pixels of the upright original."""

    original: Path
    cutout: Path | None
    box: tuple[float, float, float, float] | None
    limits: ImageLimits


def thumbnails(shown: Shown) -> Thumbnails:
    original = _read(shown.original, shown.limits)
    cutout = _read(shown.cutout, shown.limits) if shown.cutout else None
    return Thumbnails(
        None if original is None else _data_uri(_with_box(original, shown.box)),
        None if cutout is None else _data_uri(_small(cutout)),
    )


def _read(path: Path, limits: ImageLimits) -> Picture | None:
    try:
        return decode(path.read_bytes(), limits)
    except (OSError, ImageError):
        return None


def _small(picture: Picture) -> Image.Image:
    image = Image.fromarray(picture.rgb)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return image


def _with_box(picture: Picture, box: tuple[float, float, float, float] | None) -> Image.Image:
    image = _small(picture)
    if box is not None:
        x, y = image.width / picture.width, image.height / picture.height
        x0, y0 = min(round(box[0] * x), image.width - 1), min(round(box[1] * y), image.height - 1)
        x1, y1 = max(round(box[2] * x) - 1, x0), max(round(box[3] * y) - 1, y0)
        ImageDraw.Draw(image).rectangle((x0, y0, x1, y1), outline=BOX_COLOUR, width=2)
    return image


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Cut-outs for review</title><style>
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(32rem, 100%), 1fr)); gap: 1rem; padding: 0; }
li { border: 1px solid #8886; border-radius: .5rem; list-style: none; padding: .75rem; overflow-wrap: anywhere; }
.pair { display: flex; gap: .75rem; align-items: flex-start; min-height: 3rem; }
.reasons { font-weight: 600; margin: .5rem 0 0; }
p { margin: .25rem 0; }
</style></head><body>
"""


def page(suspicious: Sequence[Reviewed], pictures: Sequence[Thumbnails], total: int) -> str:
    """The sheet of the first of `suspicious`, as many as there are `pictures`, out of a collection of `total`."""
    share = len(suspicious) / total if total else 0.0
    lines = [_HEAD, "<h1>Cut-outs for review</h1>"]
    lines.append(f"<p>{len(suspicious)} of {total} pictures ({share:.1%}), most suspicious first.</p>")
    if len(pictures) < len(suspicious):
        lines.append(f"<p>The first {len(pictures)} are shown; review.csv lists all.</p>")
    lines.append("<ol>")
    lines += [_contact(entry, pair) for entry, pair in zip(suspicious, pictures, strict=False)]
    return printable("\n".join([*lines, "</ol></body></html>\n"]))


def _contact(entry: Reviewed, pair: Thumbnails) -> str:
    record, measures, label = entry.record, entry.record.measures, entry.task.picture.label
    figures = f"score {measures.score:.2f}, {measures.area:.1%} of the picture" if measures else record.error or ""
    reasons = "; ".join(REASONS[name].summary for name in entry.reasons)
    images = [
        f'<img src="{uri}" alt="{escape(what)}">'
        for uri, what in ((pair.original, "original with its box"), (pair.cutout, "cut-out"))
        if uri is not None
    ]
    return (
        f'<li><div class="pair">{"".join(images)}</div><p class="reasons">{escape(reasons)}</p>'
        f"<p>{escape(entry.task.original)}{' · ' + escape(label) if label else ''}</p><p>{escape(figures)}</p></li>"
    )
