"""GroundingDino against transformers' own pipeline, processor and forward pass."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detections import Expected, assert_equal, assert_same, located, piped, processed
from numpy.typing import NDArray
from pictures import picture, pictures
from PIL import Image
from tiny_detectors import MAX_TEXT_TOKENS
from tiny_hardware import FLOAT32
from tiny_tokenizers import WORDS
from transformers import AutoProcessor, BertModel, GroundingDinoForObjectDetection, pipeline

from service.models.factory import load_localizer
from service.models.find import find_model
from service.models.localizers.detector import LEAST_SCORE
from service.models.localizers.grounding_dino import GroundingDino
from service.models.ports import PromptSet
from service.models.weights import WeightsStore

PICTURES = pictures()
CAT_DOG = PromptSet(("cat", "dog"))


class Reference:
    """transformers' model and processor, used as their documentation says."""

    def __init__(self, folder: Path) -> None:
        self.model = GroundingDinoForObjectDetection.from_pretrained(folder).eval()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.detector = pipeline("zero-shot-object-detection", model=str(folder), device="cpu")

    @torch.inference_mode()
    def forward(self, rgb: NDArray[np.uint8], text: str) -> Any:
        return self.model(**self.processor(images=Image.fromarray(rgb), text=text, return_tensors="pt"))

    def find(self, rgb: NDArray[np.uint8], text: str) -> list[Expected]:
        output = self.forward(rgb, text)
        post_process = self.processor.post_process_grounded_object_detection
        return processed(post_process(output, threshold=LEAST_SCORE, target_sizes=[rgb.shape[:2]])[0], rgb)

    @torch.inference_mode()
    def text_features(self, text: str) -> torch.Tensor:
        seen = []
        handle = self.model.model.text_backbone.register_forward_hook(lambda *call: seen.append(call[2]))
        self.forward(PICTURES[0], text)
        handle.remove()
        return seen[0].last_hidden_state

    def find_with(self, rgb: NDArray[np.uint8], text: str, features: torch.Tensor) -> list[Expected]:
        def replaced(_module: Any, _args: Any, output: Any) -> Any:
            output.last_hidden_state = features
            return output

        handle = self.model.model.text_backbone.register_forward_hook(replaced)
        try:
            return self.find(rgb, text)
        finally:
            handle.remove()


@pytest.fixture(scope="module")
def reference(grounding_dino_folder: Path) -> Reference:
    return Reference(grounding_dino_folder)


@pytest.fixture(scope="module")
def dino(grounding_dino_folder: Path) -> GroundingDino:
    return GroundingDino("tiny", "r1", grounding_dino_folder, FLOAT32)


@pytest.mark.parametrize("rgb", PICTURES, ids=lambda rgb: f"{rgb.shape[1]}x{rgb.shape[0]}")
def test_the_network_sees_the_pixels_that_the_processor_gives(
    rgb: NDArray[np.uint8], dino: GroundingDino, reference: Reference
) -> None:
    shown = dino.preprocess(rgb, CAT_DOG).pixels
    assert shown.dtype == np.uint8
    theirs = reference.processor.image_processor(Image.fromarray(rgb), return_tensors="pt")["pixel_values"]
    assert torch.equal(dino.normalized(torch.from_numpy(shown[None])), theirs)


@pytest.mark.parametrize("rgb", PICTURES, ids=lambda rgb: f"{rgb.shape[1]}x{rgb.shape[0]}")
def test_one_prompt_finds_what_the_pipeline_finds(
    rgb: NDArray[np.uint8], dino: GroundingDino, reference: Reference
) -> None:
    assert_same(located(dino, rgb, PromptSet(("A red Car",))), piped(reference.detector, rgb, "a red car."))


@pytest.mark.parametrize("rgb", PICTURES, ids=lambda rgb: f"{rgb.shape[1]}x{rgb.shape[0]}")
def test_joined_prompts_find_what_the_model_finds(
    rgb: NDArray[np.uint8], dino: GroundingDino, reference: Reference
) -> None:
    found = located(dino, rgb, CAT_DOG)
    assert_same(found, reference.find(rgb, "cat. dog."), pixels=0.01)
    scores = [detection.score for detection in found]
    assert scores[0] > 0.8
    assert scores[-1] < 0.35, "scores that are all alike would prove nothing"


def test_each_box_has_the_prompt_of_its_best_token(dino: GroundingDino, reference: Reference) -> None:
    tokens = {"cat": [1], "dogfish": [3, 4], "red car": [6, 7], "bird": [9]}
    named = set()
    for rgb in PICTURES:
        logits = reference.forward(rgb, "cat. dogfish. red car. bird.").logits[0]
        order = logits.max(dim=-1).values.argsort(descending=True)
        names = [max(tokens, key=lambda name: max(logits[query, tokens[name]])) for query in order.tolist()]
        found = located(dino, rgb, PromptSet(tuple(tokens)))
        assert [detection.prompt for detection in found] == names[: len(found)]
        named |= set(names)
    assert named == set(tokens)


def test_a_batch_is_what_its_pictures_are_alone(dino: GroundingDino) -> None:
    sets = (CAT_DOG, PromptSet(("a red car",)), PromptSet(("cat", "old tree"), "averaged"), PromptSet())
    arrays = [PICTURES[0], PICTURES[1], picture(320, 240, 9), PICTURES[3], PICTURES[4], PICTURES[2], PICTURES[0]]
    inputs = [dino.preprocess(rgb, sets[place % 4]) for place, rgb in enumerate(arrays)]
    inputs += [dino.preprocess(picture(320, 240, seed), CAT_DOG) for seed in range(20, 23)]
    together = dino.locate(inputs)
    assert len(together) == len(inputs)
    for place, entry in enumerate(inputs):
        assert_equal(together[place], dino.locate([entry])[0])


def test_prompts_past_the_text_limit_are_asked_in_several_texts(dino: GroundingDino, reference: Reference) -> None:
    red = [f"red {word}" for word in WORDS]
    texts = [WORDS, red[:10], red[10:]]  # 14 x 2, 10 x 3 and 4 x 3 tokens, and two at the ends of each
    sentences = [". ".join(part) + "." for part in texts]
    lengths = [len(ids) for ids in reference.processor.tokenizer(sentences)["input_ids"]]
    assert lengths == [30, 32, 14]
    assert max(lengths) == MAX_TEXT_TOKENS
    for rgb in PICTURES[:2]:
        found = located(dino, rgb, PromptSet((*WORDS, *red)))
        expected = [row for sentence in sentences for row in reference.find(rgb, sentence)]
        assert_same(found, sorted(expected, key=lambda row: -row[0]), pixels=0.01)
        owners = [next(part for part in texts if found_one.prompt in part) for found_one in found]
        assert len({id(owner) for owner in owners}) == 3


@pytest.mark.parametrize("prompts", [("cat", "dog"), ("dog", "cat")])
def test_averaged_prompts_are_the_mean_of_their_text_features(
    prompts: tuple[str, ...], dino: GroundingDino, reference: Reference
) -> None:
    features = torch.stack([reference.text_features(f"{prompt}.") for prompt in prompts]).mean(dim=0)
    for rgb in PICTURES[:3]:
        found = located(dino, rgb, PromptSet(prompts, "averaged"))
        assert_same(found, reference.find_with(rgb, "cat.", features), pixels=0.01)
        assert {detection.prompt for detection in found} == {", ".join(prompts)}


def test_in_an_average_a_prompt_of_several_tokens_counts_once(dino: GroundingDino, reference: Reference) -> None:
    short, long = (
        reference.text_features("cat."),
        reference.text_features("red dogfish."),
    )  # [CLS] red dog ##fish . [SEP]
    long = torch.cat([long[:, :1], long[:, 1:4].mean(dim=1, keepdim=True), long[:, 4:]], dim=1)
    found = located(dino, PICTURES[0], PromptSet(("cat", "red dogfish"), "averaged"))
    assert_same(found, reference.find_with(PICTURES[0], "cat.", (short + long) / 2), pixels=0.01)


def test_the_text_backbone_runs_once_for_a_prompt_set(grounding_dino_folder: Path) -> None:
    dino = GroundingDino("tiny", "r1", grounding_dino_folder, FLOAT32)
    calls = []
    (bert,) = (module for module in dino._model.modules() if isinstance(module, BertModel))
    bert.register_forward_hook(lambda *call: calls.append(call[0]))
    dino.check_prompts(CAT_DOG)
    assert len(calls) == 1
    dino.locate([dino.preprocess(rgb, CAT_DOG) for rgb in PICTURES])
    dino.locate([dino.preprocess(PICTURES[0], PromptSet(("cat", "dog")))])
    assert len(calls) == 1
    dino.check_prompts(PromptSet(("cat", "dog"), "averaged"))
    assert len(calls) == 3


def test_without_prompts_it_looks_for_objects(dino: GroundingDino) -> None:
    found = located(dino, PICTURES[0], PromptSet())
    assert_equal(found, located(dino, PICTURES[0], PromptSet(("object",))))


@pytest.mark.parametrize("mode", ["joined", "averaged"])
def test_prompts_it_cannot_take_are_refused(mode: Any, dino: GroundingDino) -> None:
    dino.check_prompts(PromptSet(("a " * 29,), mode))
    for prompt, reason in (("a " * 30, "more than 32 tokens"), ("...", "no token"), ("\u200b", "no token")):
        with pytest.raises(ValueError, match=reason):
            dino.check_prompts(PromptSet(("cat", prompt), mode))
    assert located(dino, PICTURES[0], CAT_DOG), "a refused prompt must leave the model as it was"


@pytest.mark.parametrize(("width", "height"), [(400, 3), (3000, 1), (1, 3000), (2, 65_000), (1, 1)])
def test_strips_are_looked_at_too(width: int, height: int, dino: GroundingDino) -> None:
    for detection in located(dino, picture(width, height), CAT_DOG):
        assert 0 <= detection.box.x0 < detection.box.x1 <= width
        assert 0 <= detection.box.y0 < detection.box.y1 <= height


def test_a_local_folder_loads_through_the_factory(
    grounding_dino_folder: Path, dino: GroundingDino, tmp_path: Path
) -> None:
    store = WeightsStore(tmp_path, offline=True)
    model = find_model(str(grounding_dino_folder), "localizer")
    loaded = load_localizer(model, store, FLOAT32)
    assert (loaded.name, loaded.revision) == (str(grounding_dino_folder), store.revision(model))
    assert_equal(located(loaded, PICTURES[0], CAT_DOG), located(dino, PICTURES[0], CAT_DOG))


def test_a_processor_with_code_is_refused_unrun(grounding_dino_folder: Path, tmp_path: Path) -> None:
    folder, marker = tmp_path / "dino", tmp_path / "was run"
    shutil.copytree(grounding_dino_folder, folder)
    fields = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    fields |= {"auto_map": {"AutoProcessor": "trap.Trap"}, "processor_class": "Trap"}
    (folder / "processor_config.json").write_text(json.dumps(fields), encoding="utf-8")
    (folder / "trap.py").write_text(f"open({str(marker)!r}, 'w').close()\n", encoding="utf-8")
    with pytest.raises(ValueError, match="custom code"):
        GroundingDino("tiny", "r1", folder, FLOAT32)
    assert not marker.exists()
