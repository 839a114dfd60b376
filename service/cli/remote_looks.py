"""Pictures looked at by a running service: the embeddings of their views."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from service.cli.remote import Refused, read

if TYPE_CHECKING:
    from service.evaluation.looks import Looks, LooksFile

UNREADABLE = ("image_unreadable", "image_truncated", "image_too_large", "image_unsupported", "body_too_large")


@dataclass(frozen=True)
class Eye:
    """Looks at pictures through a running service, at the address of its /classify."""

    client: httpx.Client
    url: str
    dataset: dict[str, Any]
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
        except Refused as error:
            if error.reason not in UNREADABLE:
                raise
            return f"{path}: {error.detail}"
        return looks

    def _requests(self) -> list[list[str]]:
        """All views at once, but a cascade's first view by itself: asked first, it could leave the others out."""
        first = self.dataset["cascade_first"] if self.dataset["cascade"] is not None else None
        others = [name for name in self.branches if name != first]
        return [names for names in (others, [name for name in self.branches if name == first]) if names]

    def _answer(self, data: bytes, branches: Sequence[str]) -> dict[str, Any]:
        names = {"dataset": self.dataset["name"], "dataset_version": self.dataset["version"]}
        fields = names | {"branches": ",".join(branches)}
        fields |= {"embeddings": "true", "fusion": "max_confidence"}
        answer: dict[str, Any] = read(self.client.request, "POST", self.url, files={"image": data}, data=fields)
        return answer


def looks_of(answers: Sequence[dict[str, Any]]) -> "Looks":
    """What the answers show together; those that no box was looked for say nothing of it."""
    import numpy as np

    from service.evaluation.looks import Looks
    from service.recognition.answers import box_score

    texts = {view: text for answer in answers for view, text in answer["embeddings"].items()}
    rows = {view: np.frombuffer(base64.b64decode(text), "<f4") for view, text in texts.items()}
    located = next((answer for answer in answers if answer["fallback"] != "disabled"), answers[0])
    score = box_score(located["fallback"], located["box"]["score"] if located["box"] else None)
    return Looks(rows, located["fallback"], score, None)


def encoded(looks: "Looks") -> dict[str, str]:
    return {view: base64.b64encode(row.astype("<f4").tobytes()).decode() for view, row in looks.embeddings.items()}
