"""Networks on processors: side by side or in turn, the same numbers; silent; near what they were made of."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.models.encoders.clip_graph import CLIP_MEAN, CLIP_STD, clip_graph
from service.models.encoders.clip_tower import ClipImageTower
from service.models.hardware import Hardware
from service.models.processors import Network, Together, core, openvino, ops
from service.recognition.scoring import unit

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def weights(models_cache: Path) -> Path:
    return models_cache / "embedded" / "clip_encoder.int8.onnx"


def doubling(rows: int = 1) -> openvino.Model:
    """rows: of a call; -1 for any number."""
    numbers = ops.parameter([rows, 3], np.float32)
    return openvino.Model([ops.multiply(numbers, np.array(2, np.float32))], [numbers], "doubling")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_each_picture_gets_its_own_result_in_order(threads: int, count: int) -> None:
    network = Network(doubling(), Hardware("cpu", False, threads))
    rows = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    results = network(rows)
    assert [list(row) for row in results] == [list(2 * row) for row in rows]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", [Network, Together])
def test_each_processor_has_a_lane_with_the_same_results_unless_there_is_only_one(
    kind: type[Network | Together], threads: int
) -> None:
    network = kind(doubling(-1 if kind is Together else 1), Hardware("cpu", False, threads))
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert len(network.lanes) == (threads if threads > 1 else 0)
    with ThreadPoolExecutor(threads) as pool:
        works = [pool.submit(lane, rows + number) for number, lane in enumerate(network.lanes)]
    for number, work in enumerate(works):
        assert [list(row) for row in work.result()] == [list(2 * row) for row in rows + number]


@pytest.mark.parametrize("kind", [Network, Together])
def test_even_who_does_not_wait_for_the_others_gets_the_own_results(kind: type[Network | Together]) -> None:
    network = kind(doubling(-1 if kind is Together else 1), Hardware("cpu", False, 2))
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)

    def repeat(number: int) -> bool:
        call = (network, *network.lanes)[number % 3]
        given = [rows + 100 * number + turn for turn in range(200)]
        return all((np.stack(call(list(own))) == 2 * own).all() for own in given)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(repeat, range(6)))


def test_an_embedding_depends_on_its_own_picture_alone(weights: Path) -> None:
    tower = ClipImageTower(weights, Hardware("cpu", False, 2))
    together = tower.embed(PIXELS)
    alone = np.concatenate([tower.embed(PIXELS[place : place + 1]) for place in range(len(PIXELS))])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.thorough
def test_lanes_of_a_tower_embed_as_the_whole_does(weights: Path) -> None:
    tower = ClipImageTower(weights, Hardware("cpu", False, 2))
    whole = tower.embed(PIXELS)
    for lane in tower.lanes:
        np.testing.assert_allclose(lane(PIXELS), whole, atol=1e-6)


@pytest.mark.thorough
def test_pictures_together_in_one_call_are_each_as_if_alone(weights: Path) -> None:
    """With weights spread out beforehand, as processors with units for tiles have them; on any processor."""
    spread, hardware = clip_graph(weights, spread=True), Hardware("cpu", False, 2)
    network = Together(spread, hardware)
    together = network(PIXELS)
    assert network(PIXELS[:0]) == []
    for place in range(len(PIXELS)):
        np.testing.assert_allclose(network(PIXELS[place : place + 1])[0], together[place], rtol=1e-4, atol=1e-5)
    pictures = smooth_pictures()
    held_as_int8 = ClipImageTower(weights, hardware).embed(np.stack(pictures))
    assert (unit(np.stack(network(pictures))) * held_as_int8).sum(axis=1).mean() > 0.99


@pytest.mark.thorough
def test_the_graph_computes_what_its_weights_say_and_is_nearer_to_it_than_the_published_one(weights: Path) -> None:
    """Against the same weights without any rounding of activations, and the published graph beside it."""
    exact = core().compile_model(
        clip_graph(weights), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    )
    published = core().compile_model(core().read_model(weights), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tower = ClipImageTower(weights, Hardware("cpu", False, 2))
    pictures = [np.asarray(picture) for picture in smooth_pictures()]
    truth = unit(np.concatenate([exact(picture[None])[0] for picture in pictures]))
    normal = [((picture / np.float32(255) - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1) for picture in pictures]
    theirs = unit(np.concatenate([published(np.float32(row)[None])["image_embeds"] for row in normal]))
    ours = tower.embed(np.stack(pictures))
    own, other = (ours * truth).sum(axis=1).mean(), (theirs * truth).sum(axis=1).mean()
    assert own > 0.99
    assert own > other


def smooth_pictures() -> list[NDArray[np.uint8]]:
    """Coloured waves, which have the long-range structure that noise lacks."""
    y, x = np.mgrid[0:224, 0:224] / 224
    waves = [[np.sin(7 * x * (k + 1) + c) + np.cos(5 * y * (c + 1) + k) for c in range(3)] for k in range(3)]
    return [np.uint8(np.clip(127 + 60 * np.stack(planes, axis=-1), 0, 255)) for planes in waves]


@pytest.mark.thorough
def test_no_usage_data_is_kept_or_sent(tmp_path: Path, models_cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from service.models.localizers.u2net import U2NetP; "
        "from service.models.hardware import Hardware; U2NetP(Path(sys.argv[1]), Hardware('cpu', False, 1))"
    )
    environment = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    weights = models_cache / "u2netp" / "u2netp.onnx"
    subprocess.run([sys.executable, "-c", program, str(weights)], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
