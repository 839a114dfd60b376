"""Owlv2 against transformers' own pipeline, processor and forward pass."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detections import Expected, assert_equal, assert_same, located, piped, processed
from numpy.typing import NDArray
from pictures import picture, pictures
from PIL import Image
from tiny_hardware import FLOAT32
from transformers import AutoProcessor, Owlv2ForObjectDetection, pipeline

from service.models.factory import load_localizer
from service.models.find import find_model
from service.models.localizers.detector import LEAST_SCORE
from service.models.localizers.owlv2 import Owlv2
from service.models.ports import PromptSet
from service.models.weights import WeightsStore

PICTURES = pictures()
ASKED = ("cat", "dog", "red car")
JOINED = PromptSet(ASKED, "joined")


class Reference:
    """transformers' model and processor, used as their documentation says."""

    def __init__(self, folder: Path) -> None:
        self.model = Owlv2ForObjectDetection.from_pretrained(folder).eval()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.detector = pipeline("zero-shot-object-detection", model=str(folder), device="cpu")

    @torch.inference_mode()
    def forward(self, rgb: NDArray[np.uint8], prompts: tuple[str, ...]) -> Any:
        text = {"text": [list(prompts)], "padding": "max_length"}
        return self.model(**self.processor(images=Image.fromarray(rgb), **text, return_tensors="pt"))

    def find(self, output: Any, rgb: NDArray[np.uint8]) -> list[Expected]:
        post_process = self.processor.post_process_grounded_object_detection
        return processed(post_process(output, threshold=LEAST_SCORE, target_sizes=[rgb.shape[:2]])[0], rgb)

    @torch.inference_mode()
    def find_mean(self, rgb: NDArray[np.uint8], prompts: tuple[str, ...]) -> list[Expected]:
        """The class head by hand (Minderer et al. 2022, section 3.2) for the mean of the prompts' unit embeddings."""
        output = self.forward(rgb, prompts)
        mean = torch.nn.functional.normalize(output.text_embeds[0], dim=-1).mean(dim=0)
        head, features = self.model.class_head, output.image_embeds.flatten(1, 2)
        places = torch.nn.functional.normalize(head.dense0(features), dim=-1)
        cosines = places @ torch.nn.functional.normalize(mean, dim=0)[:, None]
        output.logits = (cosines + head.logit_shift(features)) * (
            torch.nn.functional.elu(head.logit_scale(features)) + 1
        )
        return self.find(output, rgb)


@pytest.fixture(scope="module")
def reference(owlv2_folder: Path) -> Reference:
    return Reference(owlv2_folder)


@pytest.fixture(scope="module")
def owl(owlv2_folder: Path) -> Owlv2:
    return Owlv2("tiny", "r1", owlv2_folder, FLOAT32)


def size_of(rgb: NDArray[np.uint8]) -> str:
    return f"{rgb.shape[1]}x{rgb.shape[0]}"


@pytest.mark.parametrize("rgb", PICTURES, ids=size_of)
def test_one_prompt_finds_what_the_pipeline_finds(rgb: NDArray[np.uint8], owl: Owlv2, reference: Reference) -> None:
    assert_same(located(owl, rgb, PromptSet(("A red Car",))), piped(reference.detector, rgb, "A red Car"))


def test_boxes_are_parts_of_the_longer_side(owl: Owlv2, reference: Reference) -> None:
    wide = PICTURES[4]
    output = reference.forward(wide, ("cat",))
    scores = output.logits[0, :, 0].sigmoid()
    centre_y, height = output.pred_boxes[0, :, 1], output.pred_boxes[0, :, 3]
    top = (centre_y - height / 2) * 400
    seen = ((top > 0) & (top < 90)).nonzero()[:, 0]
    best = seen[scores[seen].argmax()]
    found = located(owl, wide, PromptSet(("cat",)))
    assert wide.shape == (90, 400, 3)
    assert [detection.box.y0 for detection in found if abs(detection.score - float(scores[best])) < 1e-4] == [
        pytest.approx(float(top[best]), abs=0.01)
    ]


@pytest.mark.parametrize("rgb", PICTURES, ids=size_of)
def test_joined_prompts_are_separate_queries(rgb: NDArray[np.uint8], owl: Owlv2, reference: Reference) -> None:
    output = reference.forward(rgb, ASKED)
    found = located(owl, rgb, JOINED)
    assert_same(found, reference.find(output, rgb), pixels=0.01)
    scores = output.logits[0].sigmoid().amax(dim=-1).tolist()
    owners = output.logits[0].argmax(dim=-1).tolist()
    for detection in found:
        nearest = min(range(len(scores)), key=lambda place: abs(scores[place] - detection.score))
        assert detection.prompt == ASKED[owners[nearest]]


def test_scores_and_prompts_differ(owl: Owlv2) -> None:
    found = [detection for rgb in PICTURES for detection in located(owl, rgb, JOINED)]
    assert {detection.prompt for detection in found} == set(ASKED)
    assert np.ptp([detection.score for detection in found]) > 0.8, "scores that are all alike would prove nothing"


@pytest.mark.parametrize("mode", ["averaged", None])
def test_averaged_prompts_are_the_mean_of_their_unit_embeddings(mode: Any, owl: Owlv2, reference: Reference) -> None:
    for rgb in PICTURES:
        found = located(owl, rgb, PromptSet(ASKED, mode))
        assert_same(found, reference.find_mean(rgb, ASKED), pixels=0.01)
        assert {detection.prompt for detection in found} == {"cat, dog, red car"}


def test_a_batch_is_what_its_pictures_are_alone(owl: Owlv2) -> None:
    sets = (JOINED, PromptSet(("bird",)), PromptSet(ASKED), PromptSet())
    inputs = [owl.preprocess(rgb, sets[place % 4]) for place, rgb in enumerate([*PICTURES, *PICTURES[::-1]])]
    together = owl.locate(inputs)
    assert len(together) == len(inputs)
    for place, entry in enumerate(inputs):
        assert_equal(together[place], owl.locate([entry])[0])


def test_the_text_tower_runs_once_for_a_prompt_set(owlv2_folder: Path) -> None:
    owl = Owlv2("tiny", "r1", owlv2_folder, FLOAT32)
    calls = []
    owl._model.owlv2.text_model.register_forward_hook(lambda *call: calls.append(call[0]))
    owl.check_prompts(JOINED)
    owl.locate([owl.preprocess(rgb, JOINED) for rgb in PICTURES])
    owl.locate([owl.preprocess(PICTURES[0], PromptSet(ASKED, "joined"))])
    assert len(calls) == 1
    owl.check_prompts(PromptSet(ASKED, "averaged"))
    assert len(calls) == 2


@pytest.mark.parametrize("rgb", PICTURES, ids=size_of)
def test_without_prompts_boxes_are_scored_by_objectness(
    rgb: NDArray[np.uint8], owl: Owlv2, reference: Reference
) -> None:
    output = reference.forward(rgb, ("cat",))
    output.logits = output.objectness_logits[..., None]
    found = located(owl, rgb, PromptSet())
    assert_same(found, reference.find(output, rgb), pixels=0.01)
    assert {detection.prompt for detection in found} == {None}


def test_objectness_differs_from_place_to_place_and_from_a_prompts_score(owl: Owlv2) -> None:
    free = [detection.score for rgb in PICTURES for detection in located(owl, rgb, PromptSet())]
    asked = [detection.score for rgb in PICTURES for detection in located(owl, rgb, PromptSet(("object",)))]
    assert np.ptp(free) > 0.5
    assert free != asked
    assert owl.reads_prompts


def test_without_prompts_the_text_tower_does_not_run(owlv2_folder: Path) -> None:
    owl = Owlv2("tiny", "r1", owlv2_folder, FLOAT32)
    calls = []
    owl._model.owlv2.text_model.register_forward_hook(lambda *call: calls.append(call[0]))
    owl.check_prompts(PromptSet())
    assert located(owl, PICTURES[0], PromptSet())
    assert calls == []


def test_a_prompt_of_too_many_tokens_is_refused(owl: Owlv2) -> None:
    owl.check_prompts(PromptSet(("the " * 14,)))
    with pytest.raises(ValueError, match="more than 16 tokens"):
        owl.check_prompts(PromptSet(("cat", "the " * 15)))


def test_a_large_picture_is_shrunk_before_it_is_padded_and_blurred(owl: Owlv2, reference: Reference) -> None:
    large = picture(1200, 900)
    ours = owl.preprocess(large, JOINED)
    theirs = reference.processor.image_processor(Image.fromarray(large), return_tensors="np")["pixel_values"][0]
    assert (ours.width, ours.height) == (1200, 900)
    assert ours.pixels.shape == theirs.shape
    assert np.abs(ours.pixels - theirs).mean() < 0.05


@pytest.mark.parametrize(("width", "height"), [(60_000, 20), (1, 3000), (1, 1)])
def test_strips_are_looked_at_too(width: int, height: int, owl: Owlv2) -> None:
    """The square around the longest one has 10 gigabytes of pixels in each copy."""
    for detection in located(owl, picture(width, height), JOINED):
        assert 0 <= detection.box.x0 < detection.box.x1 <= width
        assert 0 <= detection.box.y0 < detection.box.y1 <= height


def test_a_local_folder_loads_through_the_factory(owlv2_folder: Path, owl: Owlv2, tmp_path: Path) -> None:
    store = WeightsStore(tmp_path, offline=True)
    model = find_model(str(owlv2_folder), "localizer")
    loaded = load_localizer(model, store, FLOAT32)
    assert (loaded.name, loaded.revision) == (str(owlv2_folder), store.revision(model))
    assert_equal(located(loaded, PICTURES[0], JOINED), located(owl, PICTURES[0], JOINED))
