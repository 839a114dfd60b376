"""`l2r2 demo`: scikit-image's own photographs, classified and shown."""

import io
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.cli.completing import Profile

PHOTOGRAPHS = ("chelsea", "coffee", "astronaut", "rocket")
CLASSES = ("cat", "dog", "rabbit", "cup of coffee", "plate of food", "astronaut", "rocket", "car", "tree", "house")


def demo(
    profile: Profile = None,
    overlays: Annotated[Path | None, typer.Option("--save-overlays", help="Folder for pictures with the box.")] = None,
) -> None:
    """Classify a few real photographs (they come with scikit-image, extra `demo`)."""
    from service.cli.local import load_recognizer
    from service.cli.render import report, save_overlay
    from service.datasets.spec import ClassEntry, DatasetSpec
    from service.errors import PackageMissing
    from service.stages.options import Options

    try:
        images = [photograph_png(name) for name in PHOTOGRAPHS]
    except ModuleNotFoundError:
        raise PackageMissing("the photographs come with scikit-image: pip install '.[demo]'") from None
    spec = DatasetSpec(tuple(ClassEntry(name) for name in CLASSES))
    console = Console()
    with load_recognizer(profile) as local:
        typer.echo(f"Classes: {', '.join(CLASSES)}\n")
        for name, image in zip(PHOTOGRAPHS, images, strict=True):
            answer = local.answer(image, spec, Options(top_k=3))
            console.print(report(name, answer))
            if overlays is not None:
                overlays.mkdir(parents=True, exist_ok=True)
                save_overlay(image, answer, overlays / f"{name}.png")
    typer.echo("next: l2r2 serve, for your own pictures, on a page and over HTTP")


def photograph_png(name: str) -> bytes:
    """One of scikit-image's photographs, as a PNG file. Raises ModuleNotFoundError without the extra."""
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(getattr(data, name)()).save(buffer, "PNG")
    return buffer.getvalue()
