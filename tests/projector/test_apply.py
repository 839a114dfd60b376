"""The projector at run time: what it promises about its vectors, and what it says about a bad file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.models.projector import apply
from service.models.projector.apply import IMAGE_DIM, TEXT_DIM, ProjectorFileError, TextProjector
from service.recognition.scoring import unit

COMMITTED = Path(apply.__file__).with_name("text_projector.safetensors")


def random_units(rows: int, width: int, seed: int) -> apply.Floats:
    return unit(np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32))


def small_projector() -> TextProjector:
    coefficients = np.random.default_rng(1).normal(size=(40, IMAGE_DIM)).astype(np.float32)
    return TextProjector(
        apply.coded(random_units(40, TEXT_DIM, 0)), coefficients, np.full(IMAGE_DIM, 0.01, np.float32), 1.0, 30.0
    )


@pytest.fixture(scope="module")
def committed() -> TextProjector:
    return TextProjector.load(COMMITTED)


def test_the_committed_file_is_small_and_loads(committed: TextProjector) -> None:
    assert COMMITTED.stat().st_size <= 5_000_000
    assert committed.image_mean.shape == (IMAGE_DIM,)
    assert 5 < committed.logit_scale <= 100


def test_vectors_are_unit_and_float32(committed: TextProjector) -> None:
    projected = committed.project(random_units(300, TEXT_DIM, 2))
    assert projected.shape == (300, IMAGE_DIM)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 128, 129])
def test_a_name_has_the_same_vector_in_any_chunk(committed: TextProjector, chunk: int) -> None:
    texts = random_units(max(8, 2 * chunk), TEXT_DIM, 3)
    whole = committed.project(texts)
    pieces = [committed.project(texts[start : start + chunk]) for start in range(0, len(texts), chunk)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(committed.project(texts[::-1]), whole[::-1])


def test_no_names_give_no_vectors() -> None:
    assert small_projector().project(np.empty((0, TEXT_DIM), np.float32)).shape == (0, IMAGE_DIM)


@pytest.mark.parametrize("shape", [(TEXT_DIM,), (3, IMAGE_DIM), (1, 3, TEXT_DIM)])
def test_texts_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        small_projector().project(np.zeros(shape, np.float32))


def test_saving_loses_next_to_nothing(tmp_path: Path) -> None:
    projector = small_projector()
    projector.save(tmp_path / "p.safetensors")
    loaded = TextProjector.load(tmp_path / "p.safetensors")
    texts = random_units(50, TEXT_DIM, 4)
    assert (projector.project(texts) * loaded.project(texts)).sum(axis=1).min() > 0.999
    np.testing.assert_array_equal(loaded.image_mean, projector.image_mean)
    assert (loaded.gamma, loaded.logit_scale) == (1.0, 30.0)


def test_coding_landmarks_twice_changes_nothing() -> None:
    once = apply.coded(random_units(30, TEXT_DIM, 9))
    np.testing.assert_allclose(apply.coded(once), once, atol=1e-6)
    assert (once * random_units(30, TEXT_DIM, 9)).sum(axis=1).min() > 0.98


def test_images_are_centred_whatever_their_length() -> None:
    projector = small_projector()
    images = random_units(6, IMAGE_DIM, 5)
    centred = projector.centre_images(images)
    np.testing.assert_allclose(np.linalg.norm(centred, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(projector.centre_images(images * 9), centred, atol=1e-5)


def test_probabilities_sum_to_one_and_prefer_the_named_class() -> None:
    projector = small_projector()
    classes = projector.project(random_units(5, TEXT_DIM, 6))
    images = classes + projector.image_mean
    shares = projector.probabilities(images, classes)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(shares.argmax(axis=1), np.arange(5))


def test_a_missing_a_damaged_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "damaged.safetensors", tmp_path / "foreign.safetensors"
    damaged.write_bytes(COMMITTED.read_bytes()[:5000])
    from safetensors.numpy import save_file

    save_file({"weights": np.zeros(3, np.float32)}, foreign)
    for path in (tmp_path / "missing.safetensors", damaged, foreign):
        with pytest.raises(ProjectorFileError, match=path.stem):
            TextProjector.load(path)


def test_a_projector_with_bad_numbers_cannot_be_built() -> None:
    good = small_projector()
    broken = good.coefficients.copy()
    broken[0, 0] = np.nan
    with pytest.raises(ProjectorFileError, match="coefficients"):
        TextProjector(good.landmarks, broken, good.image_mean, 1.0, 30.0)
    with pytest.raises(ProjectorFileError, match="positive"):
        TextProjector(good.landmarks, good.coefficients, good.image_mean, 0.0, 30.0)
