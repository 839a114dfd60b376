"""Recognition in this process, without a server: what `classify` and `demo` share."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from service.datasets.spec import DatasetSpec
    from service.models.weights import BarProgress
    from service.recognition.answers import Recognition
    from service.recognizer import Options

errors = Console(stderr=True)


@contextmanager
def download_bars() -> "Iterator[BarProgress]":
    """Progress bars on standard error for as long as downloads run."""
    from service.models.weights import BarProgress

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        yield BarProgress(bars)


class LocalRecognizer:
    """Models in this process, answering about unsaved class lists."""

    def __init__(self, profile: str | None) -> None:
        from service.engine import load_engine
        from service.settings import load_settings
        from service.telemetry import configure_logging

        configure_logging("warning", "text")
        settings = load_settings(profile=profile)
        with download_bars() as progress:
            self.recognizer = load_engine(settings, progress).recognizer

    def recognize(self, images: Sequence[bytes], spec: "DatasetSpec", options: "Options") -> "list[Recognition]":
        from service.datasets.prototypes import unsaved_dataset
        from service.errors import FieldProblem, InvalidFields

        try:
            self.recognizer.localizer.check_prompts(spec.prompt_set)
        except ValueError as error:
            raise InvalidFields(FieldProblem("look_for", str(error))) from None
        dataset = unsaved_dataset(spec, self.recognizer.encoder.embed_texts)

        async def all_of_them() -> "list[Recognition]":
            return [await self.recognizer.recognize(image, dataset, options) for image in images]

        return asyncio.run(all_of_them())

    def document(self, answer: "Recognition", spec: "DatasetSpec") -> dict[str, Any]:
        """The answer as the service would send it."""
        from service.api.wire import recognition_out
        from service.datasets.fingerprints import version_of

        models = (self.recognizer.localizer, self.recognizer.encoder)
        return recognition_out(answer, "unsaved", version_of(spec), models, uuid.uuid4().hex)

    def close(self) -> None:
        self.recognizer.close()
