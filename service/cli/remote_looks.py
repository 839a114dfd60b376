"""Pictures looked at by a running service: the embeddings of their views."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.client import Answer, Client, Dataset, PictureError, TooLargeError

if TYPE_CHECKING:
    from service.evaluation.looks import Looks, LooksFile


@dataclass(frozen=True)
class Eye:
    """Looks at pictures through a running service."""

    client: Client
    dataset: Dataset
    branches: Sequence[str]
    kept: "LooksFile"

    def look(self, path: Path) -> "Looks | str":
        """What is seen of a picture, or why it cannot be read."""
        try:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            looks = self.kept.get(digest, self.branches)
            if looks is None:
                looks = looks_of([self._answer(data, branches) for branches in self._requests()])
                if looks.fallback != "timeout":  # the machine's haste, not the picture's
                    self.kept.keep(digest, self.branches, looks)
        except OSError as error:
            return f"{path}: {error}"
        except (PictureError, TooLargeError) as error:
            return f"{path}: {error.detail}"
        return looks

    def _requests(self) -> list[list[str]]:
        """All views at once, but a cascade's first view by itself: asked first, it could leave the others out."""
        first = self.dataset.cascade_first if self.dataset.cascade is not None else None
        others = [name for name in self.branches if name != first]
        return [names for names in (others, [name for name in self.branches if name == first]) if names]

    def _answer(self, data: bytes, branches: Sequence[str]) -> Answer:
        return self.client.classify(
            data,
            dataset=self.dataset.name,
            dataset_version=self.dataset.version,
            branches=branches,
            embeddings=True,
            fusion="max_confidence",
        )


def looks_of(answers: Sequence[Answer]) -> "Looks":
    """What the answers show together; those that no box was looked for say nothing of it."""
    import numpy as np

    from service.evaluation.looks import Looks
    from service.recognition.answers import box_score

    rows = {view: np.array(answer.embedding(view)) for answer in answers for view in answer.embeddings or ()}
    located = next((answer for answer in answers if answer.fallback != "disabled"), answers[0])
    score = box_score(located.fallback, located.box.score if located.box else None)
    return Looks(rows, located.fallback, score, None)


def encoded(looks: "Looks") -> dict[str, str]:
    return {view: base64.b64encode(row.astype("<f4").tobytes()).decode() for view, row in looks.embeddings.items()}
