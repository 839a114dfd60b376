"""Kept looks: what is asked for again, and when it no longer holds."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_models import ColourEncoder, MiddleLocalizer, coloured, recognizing  # type: ignore[import-not-found]

from service.errors import BadRequest
from service.evaluation.looks import COMMIT_EVERY, Looks, LooksFile, context_of
from service.models.ports import PromptSet
from service.recognizer import Recognizer
from service.stages.options import Limits, Options

VECTOR = np.arange(4, dtype=np.float32)


def looks(fallback: str | None = None, **vectors: np.ndarray) -> Looks:
    return Looks(vectors or {"full": VECTOR, "fg": VECTOR + 1}, fallback, 0.5, (1.0, 2.0, 3.5, 4.0))


def same(found: Looks | None, expected: Looks) -> bool:
    assert found is not None
    vectors = {name: row.tolist() for name, row in found.embeddings.items()}
    facts = (found.fallback, found.box_score, found.box_xyxy)
    wanted = {name: row.tolist() for name, row in expected.embeddings.items()}
    return (vectors, facts) == (wanted, (expected.fallback, expected.box_score, expected.box_xyxy))


def test_what_was_kept_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "looks.sqlite"
    nothing = Looks({"full": VECTOR}, "no_detection", None)
    with LooksFile(path, "context") as kept:
        assert kept.get("picture", ["full"]) is None
        kept.keep("picture", ["full", "fg"], looks())
        kept.keep("other", ["full", "fg"], nothing)
        assert same(kept.get("picture", ["full", "fg"]), looks())
    with LooksFile(path, "context") as kept:
        assert same(kept.get("picture", ["fg"]), looks())
        assert same(kept.get("other", ["full", "fg"]), nothing)  # asked for fg, which could not be shown
        assert kept.get("third", ["full"]) is None


def test_a_view_that_was_not_asked_for_makes_a_picture_new(tmp_path: Path) -> None:
    with LooksFile(tmp_path / "looks.sqlite", "context") as kept:
        kept.keep("picture", ["full", "fg"], looks())
        assert kept.get("picture", ["full", "fg_mask"]) is None
        more = looks(full=VECTOR, fg_mask=VECTOR + 2)
        kept.keep("picture", ["full", "fg_mask"], more)
        assert same(kept.get("picture", ["full", "fg_mask"]), more)
        assert kept.get("picture", ["fg"]) is None


def test_each_context_has_its_own_looks(tmp_path: Path) -> None:
    path = tmp_path / "looks.sqlite"
    with LooksFile(path, "one") as kept:
        kept.keep("picture", ["full"], looks())
    with LooksFile(path, "two") as kept:
        assert kept.get("picture", ["full"]) is None
        kept.keep("picture", ["full"], looks(full=VECTOR * 2))
    with LooksFile(path, "one") as kept:
        assert same(kept.get("picture", ["full"]), looks())


def test_a_killed_run_loses_the_last_few_at_most(tmp_path: Path) -> None:
    path = tmp_path / "looks.sqlite"
    script = f"""
import os
import numpy as np
from service.evaluation.looks import Looks, LooksFile
from pathlib import Path
kept = LooksFile(Path({str(path)!r}), "context")
for number in range({COMMIT_EVERY} * 2 + 1):
    kept.keep(str(number), ["full"], Looks({{"full": np.zeros(4, np.float32)}}, None, None))
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with LooksFile(path, "context") as kept:
        there = [kept.get(str(number), ["full"]) is not None for number in range(COMMIT_EVERY * 2 + 1)]
    assert all(there[: COMMIT_EVERY * 2])


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0" * 500)
    with pytest.raises(BadRequest, match=r"photo\.jpg cannot keep embeddings"):
        LooksFile(picture, "context")
    assert picture.read_bytes() == b"\xff\xd8\xff\xe0" * 500
    with pytest.raises(BadRequest, match="cannot keep embeddings"):
        LooksFile(tmp_path, "context")
    with pytest.raises(BadRequest, match="cannot keep embeddings"):
        LooksFile(picture / "below", "context")


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "looks.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE looks (picture TEXT, words TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(BadRequest, match=r"looks\.sqlite cannot keep embeddings: no such column"):
        LooksFile(path, "context")


def test_a_file_that_another_process_has_locked_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "looks.sqlite"
    with LooksFile(path, "context") as kept:
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(BadRequest, match=r"looks\.sqlite cannot keep embeddings: database is locked"):
                kept.get("picture", ["full"])
        finally:
            other.close()
        kept.keep("picture", ["full", "fg"], looks())
        assert same(kept.get("picture", ["full"]), looks())


class OtherEncoder(ColourEncoder):
    revision = "e2"


class OtherLocalizer(MiddleLocalizer):
    revision = "l2"


class Segmenter:
    name, revision = "s", "s1"


def test_the_context_is_everything_that_an_embedding_depends_on() -> None:
    spec = coloured().spec
    with recognizing() as recognizer:
        base = context_of(recognizer, spec, Options())
        assert context_of(recognizer, spec, Options()) == base
        specs = [
            replace(spec, localizer_prompts=("thing",)),
            replace(spec, box_threshold=0.1),
            replace(spec, box_margin=0.1),
            replace(spec, pad_colour="black"),
            replace(spec, wide_margin=0.1),
            replace(spec, blur=0.1),
        ]
        options = [
            Options(localizer_prompt="thing"),
            Options(box_threshold=0.1),
            Options(box_margin=0.1),
            Options(pad_colour="black"),
            Options(wide_margin=0.1),
            Options(blur=0.1),
        ]
        contexts = [context_of(recognizer, other, Options()) for other in specs]
        contexts += [context_of(recognizer, spec, other) for other in options]
        indifferent = [
            replace(spec, templates=("{}",)),
            replace(spec, fusion="average"),
            replace(spec, cascade=0.5),
            replace(spec, abstain_below=0.5),
        ]
        assert {context_of(recognizer, other, Options()) for other in indifferent} == {base}
        assert context_of(recognizer, spec, Options(top_k=1, fusion="average", branches=("full",))) == base
    others = [
        Recognizer(OtherLocalizer(), ColourEncoder(), Limits()),
        Recognizer(MiddleLocalizer(), OtherEncoder(), Limits()),
        Recognizer(MiddleLocalizer(), ColourEncoder(), Limits(box_threshold=0.5)),
        Recognizer(MiddleLocalizer(), ColourEncoder(), Limits(box_margin=0.5)),
    ]
    for other in others:
        contexts.append(context_of(other, spec, Options()))
        other.close(20)
    assert len({base, *contexts}) == 1 + len(contexts)
    assert spec.prompt_set == PromptSet()
