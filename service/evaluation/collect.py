"""Pictures through the recognizer, many at a time, each looked at once."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from service.datasets.records import Dataset
from service.errors import ImageError, ModelFailed
from service.evaluation.labelled import Labelled
from service.evaluation.looks import LOOKING, Looks, LooksFile
from service.recognition.answers import Recognition, box_score
from service.recognition.fusion import DEFAULT_FUSION
from service.recognition.views import FULL, VIEWS
from service.recognizer import Recognizer
from service.stages.options import Options

AT_A_TIME = 8


async def collect(
    recognizer: Recognizer,
    dataset: Dataset,
    pictures: Sequence[Labelled],
    options: Options,
    kept: LooksFile,
    advance: Callable[[], None] = lambda: None,
) -> list[Looks | str]:
    """For each picture its looks in all of `options.branches`, or why it could not be read; of the other options those
    that say how the views are made.

    What `kept` holds already is not looked at again.
    """
    branches = (*dict.fromkeys((FULL, *(options.branches or ()))),)
    how = {name: getattr(options, name) for name in LOOKING}
    asked = Options(**how, branches=branches, top_k=1, fusion=DEFAULT_FUSION, embeddings=True)
    plain = replace(dataset, spec=replace(dataset.spec, fusion=DEFAULT_FUSION, cascade=None, abstain_below=None))
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(path: Path) -> Looks | str:
        async with places:
            try:
                data = await asyncio.to_thread(path.read_bytes)
                name = hashlib.sha256(data).hexdigest()
                looks = kept.get(name, branches)
                if looks is None:
                    looks = looks_of(await recognizer.recognize(data, plain, asked))
                    if looks.fallback != "timeout":  # the machine's haste, not the picture's
                        kept.keep(name, branches, looks)
            except (OSError, ImageError, ModelFailed) as error:
                return f"{path}: {error}"
            finally:
                advance()
            return looks

    return list(await asyncio.gather(*(one(picture.path) for picture in pictures)))


def looks_of(answer: Recognition) -> Looks:
    best = answer.detections[0] if answer.detections else None
    scored = box_score(answer.fallback, best.score if best else None)
    box = (best.box.x0, best.box.y0, best.box.x1, best.box.y1) if best else None
    assert answer.embeddings is not None
    embeddings = {name: answer.embeddings[name] for name in VIEWS if name in answer.embeddings}
    return Looks(embeddings, answer.fallback, scored, box)
