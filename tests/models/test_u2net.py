"""U²-Net-p's masks: of the localizer beside its box, and of the segmenter in any box."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from service.images import decode
from service.models.catalog import MODELS
from service.models.factory import load_segmenter
from service.models.hardware import Hardware
from service.models.localizers.none import NoLocalizer
from service.models.localizers.u2net import INSIDE_LEVEL, MASK_LEVEL, U2Net, levels, preprocessed, stretched
from service.models.localizers.u2net_graph import IMAGENET_MEAN, IMAGENET_STD, enlarging, is_exact, mask_graph
from service.models.ports import PromptSet, SegmenterInput, lanes_of
from service.models.processors import compiled, core, uses_bfloat16
from service.models.segmenters.u2net import MARGIN, U2NetSegmenter, placed
from service.models.weights import WeightsStore
from service.recognition.boxes import Box, intersection_over_union, mask_extent

FLAT = np.full((320, 320), 0.4, np.float32)


def discs(*centres: tuple[int, int], radius: int = 60) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """A picture of 480 x 360 with red discs on a light ground, and the mask of each."""
    ground = np.linspace(200, 250, 480, dtype=np.uint8)[None, :, None].repeat(360, axis=0).repeat(3, axis=2)
    image = Image.fromarray(np.ascontiguousarray(ground))
    masks = []
    for x, y in centres:
        mask = Image.new("1", image.size)
        edges = (x - radius, y - radius, x + radius, y + radius)
        ImageDraw.Draw(mask).ellipse(edges, fill=1)
        ImageDraw.Draw(image).ellipse(edges, fill=(200, 30, 30))
        masks.append(np.asarray(mask))
    return np.asarray(image), masks


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / (first | second).sum())


def box_around(mask: NDArray[np.bool_], loose: float = 0.0) -> Box:
    box = mask_extent(mask)
    assert box is not None
    return box.widened(loose)


@pytest.fixture(scope="module")
def weights(models_cache: Path) -> Path:
    return models_cache / "u2netp" / "u2netp.onnx"


@pytest.fixture(scope="module")
def segmenter(weights: Path) -> U2NetSegmenter:
    return U2NetSegmenter("u2netp-mask", "r1", weights, Hardware("cpu", False, 2))


@pytest.mark.parametrize("loose", [0.0, 0.2])
def test_a_disc_is_segmented(loose: float, segmenter: U2NetSegmenter) -> None:
    rgb, (disc,) = discs((150, 140))
    (mask,) = segmenter.segment([segmenter.preprocess(rgb, box_around(disc, loose))])
    assert mask.shape == disc.shape
    assert mask.dtype == np.bool_
    assert iou(mask, disc) > 0.8


def test_of_two_discs_the_box_says_which(segmenter: U2NetSegmenter) -> None:
    rgb, both = discs((110, 120), (350, 240))
    inputs = [segmenter.preprocess(rgb, box_around(disc)) for disc in both]
    for mask, disc, entry in zip(segmenter.segment(inputs), both, inputs, strict=True):
        assert iou(mask, disc) > 0.8
        assert np.array_equal(mask, segmenter.segment([entry])[0])


def test_nothing_is_inside_beyond_the_widened_box(segmenter: U2NetSegmenter) -> None:
    rgb, _ = discs((150, 140))
    quarter = Box(150, 140, 190, 180)
    (mask,) = segmenter.segment([segmenter.preprocess(rgb, quarter)])
    mask = mask.copy()
    margin_px = round(40 * MARGIN)
    mask[140 - margin_px : 180 + margin_px, 150 - margin_px : 190 + margin_px] = False
    assert not mask.any()


@pytest.mark.parametrize("box", [Box(-20, -20, 30, 30), Box(470, 0, 480, 360), Box(479.2, 359.2, 479.9, 359.9)])
def test_a_box_at_the_edge_is_no_trouble(box: Box, segmenter: U2NetSegmenter) -> None:
    rgb, _ = discs((150, 140))
    (mask,) = segmenter.segment([segmenter.preprocess(rgb, box)])
    assert mask.shape == (360, 480)


def test_a_mask_is_placed_where_its_crop_was() -> None:
    half = np.zeros((320, 320), np.float32)
    half[:, 160:] = 0.3  # low, but the highest there is
    mask = placed(half, SegmenterInput(np.empty((320, 320, 3), np.uint8), 200, 100, Box(50, 20, 150, 70)))
    assert mask_extent(mask) == Box(100, 15, 160, 75)
    assert mask[15:75, 100:160].all()


def test_a_flat_mask_has_nothing_inside() -> None:
    assert stretched(FLAT) is None
    assert not placed(FLAT, SegmenterInput(FLAT, 20, 10, Box(0, 0, 20, 10))).any()


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)))
def test_levels_keep_what_is_inside(mask: NDArray[np.float32]) -> None:
    spread = stretched(mask)
    if spread is not None:
        whole = levels(spread)
        assert np.array_equal(whole > INSIDE_LEVEL, spread > MASK_LEVEL)
        assert (whole.min(), whole.max()) == (0, 255)
        assert np.abs(whole - spread * 255).max() <= 0.5 + 1e-3


def test_levels_around_the_middle_are_told_apart() -> None:
    middle = np.float32(MASK_LEVEL)
    around = np.array([np.nextafter(middle, np.float32(0)), middle, np.nextafter(middle, np.float32(1))], np.float32)
    assert (levels(around) > INSIDE_LEVEL).tolist() == [False, False, True]


def test_the_localizers_mask_is_the_one_of_its_box(weights: Path) -> None:
    rgb, (disc,) = discs((150, 140))
    localizer = U2Net("u2netp", "r1", weights, Hardware("cpu", False, 2))
    ((detection,),) = localizer.locate([localizer.preprocess(rgb, PromptSet())])
    assert detection.mask is not None
    assert detection.mask.dtype == np.uint8
    assert detection.mask.shape == (320, 320)
    extent = box_around(detection.mask > INSIDE_LEVEL)
    assert extent.scaled(480 / 320, 360 / 320) == detection.box
    resized = np.asarray(Image.fromarray(detection.mask).resize((480, 360), Image.Resampling.BILINEAR))
    assert iou(resized > INSIDE_LEVEL, disc) > 0.8


def test_localizers_without_words_say_so() -> None:
    assert not U2Net.reads_prompts
    assert not NoLocalizer.reads_prompts


def test_the_factory_loads_the_row(models_cache: Path, tmp_path: Path) -> None:
    row = MODELS["u2netp-mask"]
    folder = tmp_path / row.name
    folder.mkdir()
    (folder / "u2netp.onnx").symlink_to(models_cache / "u2netp" / "u2netp.onnx")
    store = WeightsStore(tmp_path, offline=True)
    loaded = load_segmenter(row, store, Hardware("cpu", bfloat16=False, threads=2))
    assert (loaded.name, loaded.revision) == (row.name, f"{store.revision(row)}-float32")
    rgb, (disc,) = discs((150, 140))
    prepared = loaded.preprocess(rgb, box_around(disc))
    [mask] = loaded.segment([prepared])
    assert iou(mask, disc) > 0.8
    assert len(lanes_of(loaded)) == 2
    for lane in lanes_of(loaded):
        assert iou(lane([prepared])[0], mask) > 0.99


def test_lanes_locate_what_the_whole_does(weights: Path) -> None:
    rgb, _ = discs((110, 180), (370, 180))
    localizer = U2Net("u2netp", "r1", weights, Hardware("cpu", False, 2))
    prepared = localizer.preprocess(rgb, PromptSet())
    [whole] = localizer.locate([prepared])
    assert len(localizer.lanes) == 2
    for lane in localizer.lanes:
        [found] = lane([prepared])
        assert [detection.is_group for detection in found] == [detection.is_group for detection in whole]
        for own, other in zip(found, whole, strict=True):
            assert intersection_over_union(own.box, other.box) > 0.99
            assert own.score == pytest.approx(other.score, abs=1e-3)


def test_an_object_in_two_pieces_is_listed_as_a_group_and_piece_by_piece(weights: Path) -> None:
    rgb, masks = discs((110, 180), (370, 180))
    localizer = U2Net("u2netp", "r1", weights, Hardware("cpu", False, 2))
    [[whole, *pieces]] = localizer.locate([localizer.preprocess(rgb, PromptSet())])
    assert whole.is_group
    assert not any(piece.is_group for piece in pieces)
    assert len(pieces) == 2
    for mask in masks:
        true = box_around(mask)
        assert max(intersection_over_union(true, piece.box) for piece in pieces) > 0.8
    assert pieces[0].score >= pieces[1].score
    assert all(piece.mask is not None and (piece.mask <= whole.mask).all() for piece in pieces)


def test_the_graph_computes_what_the_published_one_does(weights: Path, photographs: dict[str, bytes]) -> None:
    networks = [
        core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for model in (core().read_model(weights), mask_graph(weights, bfloat16=False))
    ]
    bright = preprocessed(decode(next(iter(photographs.values()))).rgb)
    for pixels in (bright, bright // 3, np.zeros_like(bright)):
        lightest = np.float32(max(pixels.max(), 1))
        shades = pixels / (lightest * IMAGENET_STD) - IMAGENET_MEAN / IMAGENET_STD
        published = networks[0](shades.transpose(2, 0, 1)[None])[0]
        own = networks[1](pixels[None])[0]
        assert not pixels.any() or np.ptp(published) > 0.5
        np.testing.assert_allclose(own, published, atol=1e-5)


@pytest.mark.parametrize("length", [160, 80, 40, 20, 10, 1])
def test_the_matrix_enlarges_as_torch_does(length: int) -> None:
    rows = np.random.default_rng(length).random((1, 3, length), np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(rows), size=320, mode="linear").numpy()
    np.testing.assert_allclose(rows @ enlarging(length).T, expected, atol=1e-5)


def test_what_has_to_be_exact_is_so_because_it_is_marked(weights: Path) -> None:
    hardware = Hardware("cpu", True, 1)
    assert is_exact(compiled(mask_graph(weights, bfloat16=True), hardware))
    assert is_exact(compiled(mask_graph(weights, bfloat16=False), hardware)) != uses_bfloat16(hardware)


def test_boxes_do_not_depend_on_the_number_format(weights: Path, photographs: dict[str, bytes]) -> None:
    """Where processors do not compute in bfloat16 both are the same."""
    pictures = [decode(data).rgb for data in photographs.values()]
    formats = [U2Net("u2netp", "r1", weights, Hardware("cpu", bfloat16, 2)) for bfloat16 in (False, True)]
    found = [network.locate([network.preprocess(rgb, PromptSet()) for rgb in pictures]) for network in formats]
    overlaps = [intersection_over_union(exact[0].box, rough[0].box) for exact, rough in zip(*found, strict=True)]
    assert np.mean(overlaps) > 0.98
