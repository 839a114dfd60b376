"""The same models on a GPU and on processors, and what only a GPU can show: graphs, streams, its own lack of memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import picture, pictures

from service.models.batch_size import batch_sizes
from service.models.buckets import DETECTIONS_BEFORE_GRAPH
from service.models.encoders.open_clip import OpenClipEncoder
from service.models.hardware import Hardware
from service.models.localizers.grounding_dino import GroundingDino
from service.models.localizers.owlv2 import Owlv2
from service.models.portions import Portions
from service.models.ports import PromptSet
from service.models.segmenters.sam2 import Sam2
from service.recognition.boxes import Detection

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
PROCESSORS = Hardware("cpu", bfloat16=False, threads=2)
GPU = Hardware("cuda", bfloat16=False, threads=2)
EAGER = Hardware("cuda", bfloat16=False, threads=2, compile="off")
HALF = Hardware("cuda", bfloat16=True, threads=2)
CAT_DOG = PromptSet(("cat", "dog"), "joined")
PICTURES = pictures()
Load = Callable[[Hardware], Any]


@pytest.fixture(params=["siglip2", "clip", "bioclip"])
def load_encoder(request: pytest.FixtureRequest, open_clip_folders: dict[str, Path]) -> Load:
    return lambda hardware: OpenClipEncoder("tiny", "r1", open_clip_folders[request.param], hardware)


@pytest.fixture(params=["grounding_dino", "owlv2"])
def load_detector(request: pytest.FixtureRequest, grounding_dino_folder: Path, owlv2_folder: Path) -> Load:
    if request.param == "owlv2":
        return lambda hardware: Owlv2("tiny", "r1", owlv2_folder, hardware)
    return lambda hardware: GroundingDino("tiny", "r1", grounding_dino_folder, hardware)


def views_for(encoder: OpenClipEncoder, count: int) -> np.ndarray:
    return np.stack([encoder.preprocess(picture(90, 60 + seed, seed)) for seed in range(count)])


def assert_near(found: list[Detection], other: list[Detection]) -> None:
    """Boxes within a pixel, scores within a hundredth; of equally good ones either may come first."""
    assert len(found) == len(other) > 0
    for one, two in zip(found[:5], other[:5], strict=True):
        nearest = min(other, key=lambda entry: abs(entry.box.x0 - one.box.x0) + abs(entry.box.y1 - one.box.y1))
        assert abs(one.score - two.score) < 0.01
        edges = [(box.x0, box.y0, box.x1, box.y1) for box in (one.box, nearest.box)]
        assert np.abs(np.subtract(*edges)).max() <= 1


def test_pixels_are_normalized_to_the_very_same_numbers(load_encoder: Load) -> None:
    gpu, processors = load_encoder(GPU), load_encoder(PROCESSORS)
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3).contiguous()
    assert torch.equal(gpu._images.normalized(every.cuda()).cpu(), processors._images.normalized(every))


def test_embeddings_are_those_of_processors(load_encoder: Load) -> None:
    gpu, half, processors = load_encoder(GPU), load_encoder(HALF), load_encoder(PROCESSORS)
    views = views_for(processors, 9)
    expected = processors.embed_images(views)
    assert (gpu.embed_images(views) * expected).sum(axis=1).min() > 0.9999
    assert (half.embed_images(views) * expected).sum(axis=1).min() > 0.98
    texts = ["a photo of a cat", "a dog"]
    assert (gpu.embed_texts(texts) * processors.embed_texts(texts)).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("hardware", [GPU, HALF], ids=["float32", "bfloat16"])
def test_graphs_are_captured_and_give_what_launched_kernels_give(load_encoder: Load, hardware: Hardware) -> None:
    encoder = load_encoder(hardware)
    plain = load_encoder(Hardware("cuda", hardware.bfloat16, 2, "off"))
    views = views_for(encoder, 13)
    for count in (13, 5, 1, 7, 13):
        assert (encoder.embed_images(views[:count]) * plain.embed_images(views[:count])).sum(axis=1).min() > 0.9999
    assert set(encoder._images._graphs._kept) == {16, 6, 1, 8}
    assert None not in encoder._images._graphs._kept.values()


def test_boxes_are_those_of_processors(load_detector: Load) -> None:
    gpu, processors = load_detector(GPU), load_detector(PROCESSORS)
    for rgb in PICTURES:
        entry = processors.preprocess(rgb, CAT_DOG)
        assert_near(gpu.locate([entry])[0], processors.locate([entry])[0])


def test_a_detectors_graph_finds_what_launched_kernels_find(load_detector: Load) -> None:
    captured, plain = load_detector(GPU), load_detector(EAGER)
    inputs = [plain.preprocess(picture(320, 240, seed), CAT_DOG) for seed in range(4)]
    expected = plain.locate(inputs)
    for _ in range(DETECTIONS_BEFORE_GRAPH + 1):
        for found, alone in zip(captured.locate(inputs), expected, strict=True):
            assert_near(found, alone)
    [graph] = captured._graphs._kept.values()
    assert graph is not None


def test_two_models_in_threads_of_their_own_do_not_disturb_each_other(load_encoder: Load, load_detector: Load) -> None:
    encoder, detector = load_encoder(GPU), load_detector(GPU)
    views = views_for(encoder, 6)
    inputs = [detector.preprocess(picture(320, 240, seed), CAT_DOG) for seed in range(3)]
    embeddings, boxes = encoder.embed_images(views), detector.locate(inputs)
    with ThreadPoolExecutor(3) as pool:  # graphs are captured meanwhile, and texts embedded
        finds = pool.submit(lambda: [detector.locate(inputs) for _ in range(20)])
        looks = pool.submit(lambda: [encoder.embed_images(views) for _ in range(20)])
        for word in ("car", "tree", "boat"):
            pool.submit(detector.check_prompts, PromptSet((word,))).result()
        assert all(np.allclose(rows, embeddings, atol=1e-5) for rows in looks.result())
        for found in finds.result():
            for one, other in zip(found, boxes, strict=True):
                assert_near(one, other)


def test_a_real_lack_of_memory_is_answered_with_smaller_portions() -> None:
    most_bytes = torch.cuda.get_device_properties(0).total_memory // 3

    def allocate(part: slice) -> int:
        return torch.empty((part.stop - part.start) * most_bytes, dtype=torch.uint8, device="cuda").shape[0]

    portions = Portions("model", 8)
    assert portions(8, allocate) == [portions.most * most_bytes] * (8 // portions.most)
    assert portions.most in (1, 2)


def test_batch_sizes_are_found_and_warmed(
    load_encoder: Load, load_detector: Load, segmenter_folders: dict[str, Path]
) -> None:
    encoder, detector = load_encoder(HALF), load_detector(HALF)
    segmenter = Sam2("tiny", "r1", segmenter_folders["sam2"], HALF)
    sizes = batch_sizes(HALF, ("grounding_dino", "sam2", "open_clip"), (detector, segmenter, encoder), None)
    assert 1 <= sizes.encoder <= 128
    assert encoder._images._graphs._kept.keys() >= {1, sizes.encoder}
    asked = batch_sizes(HALF, ("grounding_dino", "sam2", "open_clip"), (detector, segmenter, encoder), 5)
    assert (asked.localizer, asked.segmenter, asked.encoder) == (5, 5, 5)


@pytest.mark.slow
def test_compiled_blocks_give_the_same_embeddings(load_encoder: Load) -> None:
    compiled, plain = load_encoder(Hardware("cuda", True, 2, "on")), load_encoder(HALF)
    views = views_for(plain, 8)
    for count in (1, 3, 8):
        assert (compiled.embed_images(views[:count]) * plain.embed_images(views[:count])).sum(axis=1).min() > 0.999
