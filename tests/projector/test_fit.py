"""The fit on made-up data whose answer is known, and the cross-validation around it."""

from __future__ import annotations

import numpy as np
import pytest

from service.models.projector.apply import IMAGE_DIM, TEXT_DIM, TextProjector
from service.models.projector.crossval import cross_validate, log_loss, share_names
from service.models.projector.fit import Floats, Gallery, Settings, fit_regression, gather, noise, sharpen
from service.recognition.scoring import unit

SETTINGS = Settings(gamma=0.5, ridge=1e-3, max_names=200, noise_ridge=1.0)
STYLES = ("fluent-3d", "noto", "clips")


def texts_in_a_plane(rows: int, seed: int) -> Floats:
    """Unit texts that vary in six directions only, so that a few hundred of them determine a map."""
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(np.random.default_rng(99).normal(size=(TEXT_DIM, 6)))[0]
    return unit((rng.normal(size=(rows, 6)) @ frame.T).astype(np.float32))


def known_map(texts: Floats) -> Floats:
    turn = np.linalg.qr(np.random.default_rng(98).normal(size=(IMAGE_DIM, TEXT_DIM)))[0]
    return (texts @ turn.T).astype(np.float32)


def made_up_gallery(names: int) -> tuple[Gallery, dict[str, Floats]]:
    """Each name drawn in each style: the mapped text, plus the style's own offset, plus a little noise."""
    texts = texts_in_a_plane(names, 7)
    words = [f"thing {number}" for number in range(names)]
    rng = np.random.default_rng(8)
    offsets = rng.normal(0, 0.05, (len(STYLES), IMAGE_DIM))
    shown = [known_map(texts) + offset + rng.normal(0, 0.01, (names, IMAGE_DIM)) for offset in offsets]
    drawn = Gallery(
        tuple(words * len(STYLES)),
        ((),) * names * len(STYLES),
        tuple(style for style in STYLES for _ in words),
        unit(np.concatenate(shown).astype(np.float32)),
    )
    return drawn, dict(zip(words, texts, strict=True))


def fitted(names: int = 200) -> TextProjector:
    drawn, texts = made_up_gallery(names)
    return fit_regression(gather(drawn, texts, SETTINGS), drawn.image_mean, SETTINGS)


def test_a_known_map_is_recovered_on_names_never_seen() -> None:
    fresh = texts_in_a_plane(50, 11)
    cosines = (fitted().project(fresh) * known_map(fresh)).sum(axis=1)
    assert cosines.min() > 0.95


def test_the_fit_is_deterministic() -> None:
    np.testing.assert_array_equal(fitted(60).coefficients, fitted(60).coefficients)


def test_no_more_names_are_kept_than_allowed() -> None:
    drawn, texts = made_up_gallery(60)
    few = Settings(gamma=0.5, ridge=1e-3, max_names=25)
    assert fit_regression(gather(drawn, texts, few), drawn.image_mean, few).landmarks.shape == (25, TEXT_DIM)


def test_common_tags_are_no_names_and_rare_ones_are_light() -> None:
    drawn, texts = made_up_gallery(30)
    tags = tuple(("everything", "rare") if name == "thing 3" else ("everything",) for name in drawn.names)
    texts |= {"everything": texts["thing 0"], "rare": texts["thing 1"]}
    named = gather(Gallery(drawn.names, tags, drawn.styles, drawn.embeddings), texts, SETTINGS)
    assert "everything" not in named.names
    assert named.weights[named.names.index("rare")] == pytest.approx(3 * SETTINGS.tag_weight)
    np.testing.assert_allclose(
        named.targets[named.names.index("rare")], named.targets[named.names.index("thing 3")], atol=1e-6
    )


def test_a_tag_with_drawings_of_its_own_means_those_above_all() -> None:
    drawn, texts = made_up_gallery(30)
    tags = tuple(("thing 4",) if name == "thing 3" else () for name in drawn.names)
    named = gather(Gallery(drawn.names, tags, drawn.styles, drawn.embeddings), texts, SETTINGS)
    own, tagged = (named.targets[named.names.index(name)] for name in ("thing 4", "thing 3"))
    plain = gather(Gallery(drawn.names, ((),) * len(tags), drawn.styles, drawn.embeddings), texts, SETTINGS)
    before = plain.targets[plain.names.index("thing 4")]
    share = SETTINGS.named_tag_weight / (1 + SETTINGS.named_tag_weight)
    np.testing.assert_allclose(own, (1 - share) * before + share * tagged, atol=1e-6)


def test_sharpening_turns_away_from_noise() -> None:
    drawn, texts = made_up_gallery(100)
    loud = np.zeros(IMAGE_DIM, np.float32)
    loud[0] = 1.0
    swing = np.random.default_rng(5).normal(0, 2, (len(drawn.names), 1)).astype(np.float32)
    noisy = Gallery(drawn.names, drawn.tags, drawn.styles, unit(drawn.embeddings + swing * loud))
    plain = fit_regression(gather(noisy, texts, SETTINGS), noisy.image_mean, SETTINGS)
    predicted = plain.project(np.stack([texts[name] for name in noisy.names]))
    sharp = sharpen(plain, noise(noisy, predicted, noisy.image_mean), 30.0, SETTINGS)
    fresh = texts_in_a_plane(50, 12)
    assert np.abs(sharp.project(fresh) @ loud).mean() < 0.5 * np.abs(plain.project(fresh) @ loud).mean()
    assert sharp.logit_scale == 30.0


def test_cross_validation_holds_names_out_and_finds_the_map() -> None:
    drawn, texts = made_up_gallery(120)
    told: list[str] = []
    found = cross_validate(drawn, texts, SETTINGS, 3, told.append)
    assert (found.folds, found.classes, found.pictures) == (3, 40, 40)
    assert found.accuracy > 0.9
    assert found.noise_moment.shape == (IMAGE_DIM, IMAGE_DIM)
    assert len(told) == 3


def test_folds_share_all_things_and_no_people() -> None:
    drawn, _ = made_up_gallery(20)
    people = tuple(("person",) if name == "thing 4" else () for name in drawn.names)
    folds = share_names(Gallery(drawn.names, people, drawn.styles, drawn.embeddings), 4, seed=0)
    assert sorted(name for fold in folds for name in fold) == sorted({*drawn.names} - {"thing 4"})


@pytest.mark.parametrize("folds", [1, 11])
def test_too_few_names_for_the_folds_are_refused(folds: int) -> None:
    drawn, _ = made_up_gallery(20)
    with pytest.raises(ValueError, match="folds"):
        share_names(drawn, folds, seed=0)


def test_log_loss_of_even_odds() -> None:
    assert log_loss(np.zeros((3, 4)), np.array([0, 1, 3])) == pytest.approx(np.log(4))
