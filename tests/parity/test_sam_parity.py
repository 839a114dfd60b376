"""Sam and Sam2 against transformers' own processor, forward pass and post-processing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import picture
from PIL import Image
from tiny_hardware import FLOAT32
from tiny_segmenters import SIDE_PX
from transformers import Sam2Model, Sam2Processor, Sam2VideoModel, SamModel, SamProcessor

from service.models.factory import load_segmenter
from service.models.find import find_model
from service.models.segmenters import box_prompted
from service.models.segmenters.box_prompted import BoxPrompted
from service.models.segmenters.sam import Sam
from service.models.segmenters.sam2 import Sam2
from service.models.weights import WeightsStore
from service.recognition.boxes import Box

FAMILIES = ("sam", "sam2", "sam2_video")
SIZES = ((240, 180), (100, 166), (97, 64), (256, 256), (200, 45))  # no longer than is shrunk beforehand
PICTURES = [picture(*size, seed) for seed, size in enumerate(SIZES)]
PARTS = ((0.1, 0.2, 0.6, 0.7), (0.523, 0.511, 0.917, 0.934), (0, 0, 1, 1))
Mask = NDArray[np.bool_]


def box_of(rgb: NDArray[np.uint8], place: int = 0) -> Box:
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = PARTS[place % len(PARTS)]
    return Box(x0 * width, y0 * height, x1 * width, y1 * height)


def segmented(segmenter: BoxPrompted, rgb: NDArray[np.uint8], box: Box) -> Mask:
    return segmenter.segment([segmenter.preprocess(rgb, box)])[0]


def agreement(first: Mask, second: Mask) -> float:
    assert first.shape == second.shape
    assert first.dtype == second.dtype == np.bool_
    return float((first == second).mean())


class Reference:
    """transformers' model and processor, used as their documentation says."""

    def __init__(self, family: str, folder: Path) -> None:
        model, processor = (SamModel, SamProcessor) if family == "sam" else (Sam2Model, Sam2Processor)
        self.model, self.processor = model.from_pretrained(folder).eval(), processor.from_pretrained(folder)

    @torch.inference_mode()
    def segment(self, rgb: NDArray[np.uint8], box: Box) -> Mask:
        edges = [[[box.x0, box.y0, box.x1, box.y1]]]
        inputs = self.processor(images=Image.fromarray(rgb), input_boxes=edges, return_tensors="pt")
        sizes = [inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
        masks = self.model(**inputs, multimask_output=False).pred_masks
        mask: Mask = self.processor.post_process_masks(masks, *sizes)[0][0, 0].numpy()
        return mask


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def reference(family: str, segmenter_folders: dict[str, Path]) -> Reference:
    return Reference(family, segmenter_folders[family])


@pytest.fixture(scope="module")
def segmenter(family: str, segmenter_folders: dict[str, Path]) -> BoxPrompted:
    return load(family, segmenter_folders)


def load(family: str, folders: dict[str, Path]) -> BoxPrompted:
    return (Sam if family == "sam" else Sam2)("tiny", "r1", folders[family], FLOAT32)


def test_a_mask_is_the_one_that_the_library_makes(segmenter: BoxPrompted, reference: Reference) -> None:
    for place, rgb in enumerate(PICTURES):
        box = box_of(rgb, place)
        found = segmented(segmenter, rgb, box)
        assert found.shape == rgb.shape[:2]
        assert agreement(found, reference.segment(rgb, box)) >= 0.999


def test_masks_have_two_sides_and_depend_on_the_box(segmenter: BoxPrompted) -> None:
    for rgb in PICTURES[:2]:
        first, second = (segmented(segmenter, rgb, box_of(rgb, place)) for place in (0, 1))
        assert 0.01 < first.mean() < 0.99
        assert agreement(first, second) < 0.99


def test_a_batch_is_what_its_pictures_are_alone(segmenter: BoxPrompted) -> None:
    inputs = [segmenter.preprocess(rgb, box_of(rgb, place)) for place, rgb in enumerate([*PICTURES, PICTURES[0]])]
    together = segmenter.segment(inputs)
    assert len(together) == len(inputs)
    for mask, entry in zip(together, inputs, strict=True):
        assert np.array_equal(mask, segmenter.segment([entry])[0])
    assert segmenter.segment([]) == []


def test_few_equals_share_a_call_where_that_is_faster(
    family: str, segmenter: BoxPrompted, segmenter_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_prompted, "MOST_TOGETHER", {"cpu": 4})
    sharing = load(family, segmenter_folders)
    sizes = []
    sharing._model.prompt_encoder.register_forward_hook(lambda _module, _args, output: sizes.append(len(output[0])))
    pictures = [picture(96, 64, seed) for seed in range(6)]
    pictures.insert(3, PICTURES[1])
    inputs = [sharing.preprocess(rgb, box_of(rgb)) for rgb in pictures]
    for mask, alone in zip(sharing.segment(inputs), (segmenter.segment([entry])[0] for entry in inputs), strict=True):
        assert agreement(mask, alone) >= 0.999
    assert sizes == ([4, 2, 1] if family == "sam" else [4, 3])  # to SAM 2 all pictures are squares


def test_a_large_picture_is_shrunk_before_the_processor_sees_it(segmenter: BoxPrompted, reference: Reference) -> None:
    large, box = picture(1200, 900), Box(150, 200, 800, 700)
    entry = segmenter.preprocess(large, box)
    theirs = reference.processor.image_processor(Image.fromarray(large), return_tensors="np")["pixel_values"][0]
    assert (entry.width, entry.height, entry.box) == (1200, 900, box)
    assert np.abs(entry.pixels - theirs[:, : entry.pixels.shape[1]]).mean() < 0.05
    small = np.asarray(Image.fromarray(large).resize((2 * SIDE_PX, 192), reducing_gap=3.0))
    factor = 2 * SIDE_PX / 1200
    expected = Image.fromarray(reference.segment(small, box.scaled(factor, factor))).resize((1200, 900))
    assert agreement(segmenter.segment([entry])[0], np.asarray(expected)) > 0.98


@pytest.mark.parametrize(("width", "height"), [(60_000, 20), (1, 3000), (1, 1)])
def test_strips_are_looked_at_too(width: int, height: int, segmenter: BoxPrompted) -> None:
    mask = segmented(segmenter, picture(width, height), Box(0, 0, width, height))
    assert mask.shape == (height, width)
    assert mask.dtype == np.bool_


def test_a_local_folder_loads_through_the_factory(
    family: str, segmenter: BoxPrompted, segmenter_folders: dict[str, Path], tmp_path: Path
) -> None:
    store = WeightsStore(tmp_path, offline=True)
    model = find_model(str(segmenter_folders[family]), "segmenter")
    loaded: Any = load_segmenter(model, store, FLOAT32)
    assert type(loaded) is type(segmenter)
    assert (loaded.name, loaded.revision) == (str(segmenter_folders[family]), store.revision(model))
    box = box_of(PICTURES[0])
    assert np.array_equal(segmented(loaded, PICTURES[0], box), segmented(segmenter, PICTURES[0], box))


def test_a_video_checkpoint_gives_every_weight_of_the_picture_model(segmenter_folders: dict[str, Path]) -> None:
    video = Sam2VideoModel.from_pretrained(segmenter_folders["sam2_video"]).state_dict()
    used = load("sam2_video", segmenter_folders)._model.state_dict()
    assert len(used) > 100
    for name, weights in used.items():
        assert torch.equal(weights, video[name]), name
