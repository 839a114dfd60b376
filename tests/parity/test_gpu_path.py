"""What the models do on a GPU, as far as that shows without one: fixed sizes, graphs, no waiting, little memory."""

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detections import assert_equal
from fake_gpu import FakeGpu
from pictures import picture, pictures
from recorder import Recorder
from tiny_hardware import BFLOAT16, FLOAT32
from torch.overrides import TorchFunctionMode

from service.errors import ModelFailed
from service.models.encoders.image_tower import compile_blocks
from service.models.encoders.open_clip import OpenClipEncoder
from service.models.graphs import Graphs, KeptConstants
from service.models.localizers.grounding_dino import GroundingDino
from service.models.localizers.owlv2 import Owlv2
from service.models.ports import PromptSet

KINDS = ("siglip2", "clip", "bioclip")
CAT_DOG = PromptSet(("cat", "dog"), "joined")
Load = Callable[..., Any]


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, open_clip_folders: dict[str, Path]) -> Path:
    return open_clip_folders[request.param]


@pytest.fixture(params=["grounding_dino", "owlv2"])
def detector(request: pytest.FixtureRequest, grounding_dino_folder: Path, owlv2_folder: Path) -> Any:
    if request.param == "owlv2":
        return Owlv2("tiny", "r1", owlv2_folder, FLOAT32)
    return GroundingDino("tiny", "r1", grounding_dino_folder, FLOAT32)


def views_for(encoder: OpenClipEncoder, count: int) -> np.ndarray:
    return np.stack([encoder.preprocess(picture(90, 60 + seed, seed)) for seed in range(count)])


def test_fixed_batch_sizes_and_what_ran_before_change_no_embedding(folder: Path) -> None:
    plain, fixed = (OpenClipEncoder("tiny", "r1", folder, FLOAT32) for _ in range(2))
    recorder = Recorder()
    fixed._images._graphs = Graphs("tiny", recorder)
    views = views_for(plain, 13)
    expected = plain.embed_images(views)
    for count in (13, 5, 1, 7, 2, 5):  # what a larger batch left in the rest of a bucket must not be seen
        assert np.allclose(fixed.embed_images(views[-count:]), expected[-count:], atol=2e-6)
    assert [shape[0] for shape in recorder.captured] == [16, 6, 1, 8, 2]


class SmallMemory:
    """A model that can embed only so many views at a time."""

    def __init__(self, model: Any, room: int) -> None:
        self._model, self._room = model, room
        self.tried: list[int] = []

    def encode_image(self, views: torch.Tensor) -> torch.Tensor:
        self.tried.append(len(views))
        if len(views) > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self._model.encode_image(views)


def test_an_encoder_short_of_memory_answers_all_and_stays_with_smaller_batches(folder: Path) -> None:
    encoder = OpenClipEncoder("tiny", "r1", folder, FLOAT32)
    views = views_for(encoder, 7)
    expected = encoder.embed_images(views)
    encoder._images._model = small = SmallMemory(encoder._model, 3)
    assert np.allclose(encoder.embed_images(views), expected, atol=2e-6)
    assert small.tried == [7, 3, 3, 1]
    encoder.embed_images(views)
    assert small.tried[4:] == [3, 3, 1]
    small._room = 0
    with pytest.raises(ModelFailed, match="memory is too small"):
        encoder.embed_images(views[:1])


def test_a_detector_short_of_memory_finds_the_same(detector: Any) -> None:
    inputs = [detector.preprocess(picture(320, 240, seed), CAT_DOG) for seed in range(5)]
    expected = detector.locate(inputs)
    forward, tried = detector._forward, []

    def short_of_memory(pixels: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        tried.append(len(pixels))
        if len(pixels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(pixels, *others)

    detector._forward = short_of_memory
    for found, alone in zip(detector.locate(inputs), expected, strict=True):
        assert_equal(found, alone)
    assert tried == [5, 2, 2, 1]


def test_a_detector_finds_in_a_graph_what_it_finds_without(detector: Any) -> None:
    others = PromptSet(("bird", "tree"), "joined")  # of as many tokens
    inputs = [detector.preprocess(picture(320, 240, seed), (CAT_DOG, others)[seed % 2]) for seed in range(8)]
    inputs += [detector.preprocess(picture(90, 160, 1), CAT_DOG)]
    expected = [detector.locate([entry])[0] for entry in inputs]
    detector._graphs = Graphs("tiny", Recorder())
    for start, end in ((0, 1), (1, 2), (2, 9), (0, 9), (8, 9)):
        for found, alone in zip(detector.locate(inputs[start:end]), expected[start:end], strict=True):
            assert_equal(found, alone)


@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16], ids=["float32", "bfloat16"])
def test_on_a_gpu_the_encoder_neither_waits_nor_moves_anything(folder: Path, precision: Any) -> None:
    encoder, gpu = OpenClipEncoder("tiny", "r1", folder, precision), FakeGpu()
    tower, views = encoder._images, torch.from_numpy(views_for(encoder, 3))
    tower._model = encoder._model
    gpu.move(tower)
    assert gpu.traffic(tower._forward, [views], nullcontext()) == Counter()


def test_on_a_gpu_a_detector_neither_waits_nor_moves_anything(detector: Any) -> None:
    """Inside a graph, that is; outside of it the model's code may send a few numbers."""
    entry, gpu = detector.preprocess(picture(320, 240), CAT_DOG), FakeGpu()
    inputs = [torch.from_numpy(np.stack([entry.pixels] * 2))]
    if isinstance(detector, GroundingDino):
        [text] = detector._texts(CAT_DOG)
        inputs += [text.input_ids.expand(2, -1), text.features.expand(2, -1, -1)]
    else:
        inputs += [detector._queries(CAT_DOG).embeddings.expand(2, -1, -1)]
    gpu.move(detector)
    assert gpu.traffic(detector._forward, inputs, KeptConstants()) == Counter()


class AttentionCalls(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function is torch.nn.functional.scaled_dot_product_attention
        return function(*args, **(kwargs or {}))


def test_every_block_of_a_timm_encoder_attends_through_torchs_fused_attention(
    open_clip_folders: dict[str, Path],
) -> None:
    encoder = OpenClipEncoder("tiny", "r1", open_clip_folders["siglip2"], FLOAT32)
    with AttentionCalls() as calls:
        encoder.embed_images(views_for(encoder, 1))
    assert calls.count == len(encoder._model.visual.trunk.blocks) + 1  # the pooling attends too


def test_compiled_blocks_give_the_same_embeddings(folder: Path) -> None:
    plain, compiled = (OpenClipEncoder("tiny", "r1", folder, FLOAT32) for _ in range(2))
    visual = compiled._model.visual
    blocks = visual.trunk.blocks if hasattr(visual, "trunk") else visual.transformer.resblocks
    # As far as tracing goes: what follows it needs a C compiler and a minute.
    assert compile_blocks(visual, backend="eager", fullgraph=True) == len(blocks)
    views = views_for(plain, len(pictures()))
    for count in (1, 2, 5):
        assert np.allclose(compiled.embed_images(views[:count]), plain.embed_images(views[:count]), atol=2e-6)
