"""Finding one object, with models that are plain classes: one finds red pixels, the other says which are bright."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import InvalidFields
from service.evaluation.objects import FoundObject, ObjectFinder
from service.models.ports import LocatorInput, PromptSet, SegmenterInput
from service.recognition.boxes import Box, Detection, mask_extent

RED, BRIGHT = (200, 0, 0), (255, 0, 0)


class SeesRed:
    name, revision, default_threshold, reads_prompts = "sees-red", "1", 0.3, True

    def __init__(self, with_mask: bool = False) -> None:
        self.with_mask = with_mask
        self.asked: list[PromptSet] = []

    def check_prompts(self, prompts: PromptSet) -> None:
        if any(len(prompt) > 10 for prompt in prompts.prompts):
            raise ValueError("the prompt is too long")

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        self.asked.append(prompts)
        return LocatorInput(rgb.transpose(2, 0, 1).astype(np.float32), rgb.shape[1], rgb.shape[0], prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        return [self._locate(entry.pixels[0] >= 200) for entry in inputs]

    def _locate(self, red: NDArray[np.bool_]) -> list[Detection]:
        box = mask_extent(red)
        if box is None:
            return []
        mask = np.where(red, np.uint8(255), np.uint8(0)) if self.with_mask else None
        return [Detection(box, 0.75, "red", mask), Detection(Box(0, 0, 1, 1), 0.25)]


class SeesBrightRed:
    name, revision = "sees-bright-red", "1"

    def __init__(self) -> None:
        self.calls = 0

    def preprocess(self, rgb: NDArray[np.uint8], box: Box) -> SegmenterInput:
        return SegmenterInput(rgb.transpose(2, 0, 1).astype(np.float32), rgb.shape[1], rgb.shape[0], box)

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
        self.calls += 1
        return [entry.pixels[0] == 255 for entry in inputs]


def picture(red: bool = True, bright: bool = True) -> NDArray[np.uint8]:
    """30 high and 40 wide; red in rows 10 to 19 and columns 5 to 24, bright in the right half of that."""
    rgb = np.zeros((30, 40, 3), np.uint8)
    if red:
        rgb[10:20, 5:25] = RED
    if red and bright:
        rgb[10:20, 15:25] = BRIGHT
    return rgb


def area(rows: slice, columns: slice) -> NDArray[np.bool_]:
    mask = np.zeros((30, 40), np.bool_)
    mask[rows, columns] = True
    return mask


def test_the_localizers_own_mask_comes_first() -> None:
    segmenter = SeesBrightRed()
    found = ObjectFinder(SeesRed(with_mask=True), segmenter).find(picture())
    assert found is not None
    assert (found.box, found.score, found.mask_source) == (Box(5, 10, 25, 20), 0.75, "localizer")
    assert [detection.score for detection in found.detections] == [0.75, 0.25]
    np.testing.assert_array_equal(found.mask, area(slice(10, 20), slice(5, 25)))
    assert found.mask_area == pytest.approx(200 / 1200)
    assert segmenter.calls == 0


def test_without_one_the_segmenter_says_which_pixels_are_the_objects() -> None:
    found = ObjectFinder(SeesRed(), SeesBrightRed()).find(picture())
    assert found is not None
    assert (found.box, found.mask_source) == (Box(5, 10, 25, 20), "segmenter")
    np.testing.assert_array_equal(found.mask, area(slice(10, 20), slice(15, 25)))


@pytest.mark.parametrize("segmenter", [None, SeesBrightRed()])
def test_where_no_model_sees_a_shape_the_box_is_filled(segmenter: SeesBrightRed | None) -> None:
    found = ObjectFinder(SeesRed(), segmenter).find(picture(bright=False))
    assert found is not None
    assert found.mask_source == "box"
    np.testing.assert_array_equal(found.mask, area(slice(10, 20), slice(5, 25)))


def test_a_given_box_is_only_segmented() -> None:
    localizer = SeesRed(with_mask=True)
    found = ObjectFinder(localizer, SeesBrightRed()).find(picture(), box=Box(0, 0, 40, 30))
    assert found is not None
    assert (found.box, found.score, found.detections, found.mask_source) == (Box(0, 0, 40, 30), 1.0, (), "segmenter")
    assert localizer.asked == []


def test_a_segmenter_that_only_given_boxes_need_is_loaded_with_the_first() -> None:
    loaded: list[SeesBrightRed] = []

    def load() -> SeesBrightRed:
        loaded.append(SeesBrightRed())
        return loaded[-1]

    finder = ObjectFinder(SeesRed(with_mask=True), None, load)
    finder.find(picture())
    assert loaded == []
    for _ in range(2):
        found = finder.find(picture(), box=Box(0, 0, 40, 30))
        assert found is not None
        assert found.mask_source == "segmenter"
    assert len(loaded) == 1


def test_many_pictures_are_found_as_each_alone_is_and_segmented_in_one_call() -> None:
    segmenter = SeesBrightRed()
    finder = ObjectFinder(SeesRed(), segmenter)
    pictures = [picture(), picture(red=False), picture(bright=False), picture().swapaxes(0, 1).copy()]
    together = finder.find_many(pictures, ("red",))
    assert segmenter.calls == 1
    for rgb, found in zip(pictures, together, strict=True):
        alone = finder.find(rgb, ("red",))
        if found is None or alone is None:
            assert found is alone is None
            continue
        assert (found.box, found.score, found.mask_source) == (alone.box, alone.score, alone.mask_source)
        np.testing.assert_array_equal(found.mask, alone.mask)
    assert [found is None for found in together] == [False, True, False, False]
    assert finder.find_many([]) == []


def test_prompts_reach_the_localizer_and_bad_ones_are_refused_by_name() -> None:
    localizer = SeesRed()
    finder = ObjectFinder(localizer)
    finder.find(picture(), ("red", "crimson"))
    assert localizer.asked == [PromptSet(("red", "crimson"))]
    with pytest.raises(InvalidFields, match="prompt: the prompt is too long"):
        finder.check_prompts(("a" * 11,))


@pytest.mark.parametrize(
    ("score", "mask", "mask_area"),
    [(1.5, None, 0.5), (0.5, None, -0.1), (0.5, np.zeros((2, 2), np.uint8), 0.5), (0.5, np.zeros(4, np.bool_), 0.5)],
)
def test_an_object_that_cannot_be_is_refused(score: float, mask: NDArray[np.bool_] | None, mask_area: float) -> None:
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]|bool \[H, W\]"):
        FoundObject(Box(0, 0, 1, 1), score, mask, (), mask_area)
