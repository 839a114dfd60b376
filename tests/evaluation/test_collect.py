"""Pictures through a recognizer, each looked at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from colour_models import (  # type: ignore[import-not-found]
    COLOURS,
    ColourEncoder,
    MiddleLocalizer,
    coloured,
    painted,
    recognizing,
)

from service.datasets.records import Dataset
from service.errors import InvalidFields
from service.evaluation.collect import collect
from service.evaluation.labelled import Labelled
from service.evaluation.looks import Looks, LooksFile, context_of
from service.recognizer import Recognizer
from service.stages.options import Options


@pytest.fixture
def recognizer() -> Iterator[Recognizer]:
    with recognizing() as opened:
        yield opened


def collected(
    recognizer: Recognizer, pictures: list[Labelled], cache: Path, options: Options, dataset: Dataset | None = None
) -> tuple[list[Looks | str], int]:
    """The looks, and how many views the encoder saw for them."""
    encoder = recognizer.encoder
    assert isinstance(encoder, ColourEncoder)
    before, advanced = encoder.seen, []
    dataset = dataset or coloured()
    with LooksFile(cache, context_of(recognizer, dataset.spec, options)) as kept:
        found = asyncio.run(collect(recognizer, dataset, pictures, options, kept, lambda: advanced.append(1)))
    assert len(advanced) == len(found) == len(pictures)
    return found, encoder.seen - before


@pytest.fixture
def pictures(tmp_path: Path) -> list[Labelled]:
    """A green thing on red, twenty of them of different sizes, and a wide picture in which nothing is found."""
    several = [
        Labelled(painted(tmp_path / f"{number}.png", "red", "green", (40 + number, 80)), "green")
        for number in range(20)
    ]
    return [*several, Labelled(painted(tmp_path / "wide.png", "blue", size=(80, 40)), "blue")]


def test_each_picture_is_seen_in_all_views_in_the_order_of_the_list(
    recognizer: Recognizer, pictures: list[Labelled], tmp_path: Path
) -> None:
    found, seen = collected(recognizer, pictures, tmp_path / "looks", Options(branches=("fg", "bg_box")))
    assert seen == 20 * 3 + 1
    *several, wide = found
    for looks in several:
        assert isinstance(looks, Looks)
        assert list(looks.embeddings) == ["full", "fg", "bg_box"]
        assert (looks.fallback, looks.box_score) == (None, pytest.approx(0.8))
        green = np.array(COLOURS["green"]) / np.linalg.norm(COLOURS["green"])
        assert looks.embeddings["fg"] == pytest.approx(green, abs=0.05)
    edges = [looks.box_xyxy for looks in several if isinstance(looks, Looks)]
    assert edges == [((40 + number) / 4, 20, (40 + number) * 3 / 4, 60) for number in range(20)]
    assert isinstance(wide, Looks)
    assert (list(wide.embeddings), wide.fallback) == (["full"], "no_detection")
    assert (wide.box_score, wide.box_xyxy) == (0.0, None)


def test_what_is_kept_is_not_looked_at_again(recognizer: Recognizer, pictures: list[Labelled], tmp_path: Path) -> None:
    cache = tmp_path / "looks"
    first, _ = collected(recognizer, pictures[:5], cache, Options(branches=("fg",)))
    again, seen = collected(recognizer, pictures[:8], cache, Options(branches=("full", "fg")))
    assert seen == 3 * 2
    for before, after in zip(first, again, strict=False):
        assert isinstance(before, Looks)
        assert isinstance(after, Looks)
        assert {name: row.tolist() for name, row in before.embeddings.items()} == {
            name: row.tolist() for name, row in after.embeddings.items()
        }
    assert collected(recognizer, pictures[:8], cache, Options(branches=("fg", "bg_box")))[1] == 8 * 3
    assert collected(recognizer, pictures[:8], cache, Options(branches=("fg",), box_margin=0.2))[1] == 8 * 2
    assert collected(recognizer, pictures[:8], cache, Options(branches=("bg_box",)))[1] == 0


def test_pictures_that_cannot_be_read_are_told_of_and_the_others_are_seen(
    recognizer: Recognizer, pictures: list[Labelled], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = [Labelled(tmp_path / "broken.png", "red"), Labelled(tmp_path / "nothing.png", "red")]
    found, _ = collected(recognizer, [broken[0], pictures[0], broken[1]], tmp_path / "looks", Options(branches=("fg",)))
    assert isinstance(found[0], str)
    assert isinstance(found[1], Looks)
    assert isinstance(found[2], str)
    assert found[0].startswith(str(tmp_path / "broken.png: ").rstrip())
    assert "No such file" in found[2]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (Options(branches=("fg",), cascade=0.0), {}),
        (Options(branches=("fg",), cascade=0.0, cascade_first="fg"), {}),
        (Options(branches=("fg",), objects=3), {}),
        (Options(branches=("fg",), candidates=2), {}),
        (Options(branches=("fg",), fusion="average", abstain_below=1.0, metadata={"a": "b"}), {}),
        (Options(branches=("fg",)), {"cascade": 0.0}),
        (Options(branches=("fg",)), {"cascade": 0.0, "cascade_first": "fg", "abstain_below": 1.0}),
    ],
)
def test_how_the_answer_is_made_changes_nothing_in_what_is_seen(
    recognizer: Recognizer, pictures: list[Labelled], tmp_path: Path, options: Options, fields: dict[str, object]
) -> None:
    [looks], seen = collected(recognizer, pictures[:1], tmp_path / "looks", options, coloured(**fields))
    assert isinstance(looks, Looks)
    assert (list(looks.embeddings), seen) == (["full", "fg"], 2)


def test_a_dataset_s_learnt_fusion_is_not_asked_of_views_that_it_was_not_fitted_to(
    recognizer: Recognizer, pictures: list[Labelled], tmp_path: Path
) -> None:
    from service.recognition.calibration import Calibration

    weights = dict.fromkeys(("full", "fg"), (1.0, 1.0, 1.0))
    fitted = coloured(
        branches=("full", "fg"),
        fusion="class_weighted_logits",
        calibration=Calibration(("full", "fg"), class_weights=weights),
    )
    [looks], _ = collected(recognizer, pictures[:1], tmp_path / "looks", Options(branches=("bg_box",)), fitted)
    assert isinstance(looks, Looks)
    assert list(looks.embeddings) == ["full", "bg_box"]


def test_an_unknown_view_ends_the_run(recognizer: Recognizer, pictures: list[Labelled], tmp_path: Path) -> None:
    with pytest.raises(InvalidFields, match="'middle' is not known"):
        collected(recognizer, pictures, tmp_path / "looks", Options(branches=("middle",)))


def test_a_box_that_came_too_late_is_looked_for_again(pictures: list[Labelled], tmp_path: Path) -> None:
    with recognizing(locate_timeout_s=0.01) as hasty:
        localizer = hasty.localizer
        assert isinstance(localizer, MiddleLocalizer)
        localizer.open.clear()
        [looks], _ = collected(hasty, pictures[:1], tmp_path / "looks", Options(branches=("fg",)))
        assert isinstance(looks, Looks)
        assert (looks.fallback, looks.box_score) == ("timeout", 0.0)
        localizer.open.set()
    with recognizing() as patient:
        [looks], _ = collected(patient, pictures[:1], tmp_path / "looks", Options(branches=("fg",)))
        assert isinstance(looks, Looks)
        assert (looks.fallback, list(looks.embeddings)) == (None, ["full", "fg"])
