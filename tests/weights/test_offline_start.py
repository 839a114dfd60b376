"""A start without the network and without weights."""

from pathlib import Path

import pytest

from service.engine import load_engine
from service.errors import WeightsMissing
from service.settings import load_settings


def test_all_models_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    settings = load_settings(profile="standard", models_cache=tmp_path, offline=True)
    with pytest.raises(WeightsMissing) as caught:
        load_engine(settings)
    first, others = caught.value.detail.split(". As little is there of: ")
    assert first.startswith("grounding-dino-tiny: not in ")
    assert "l2r2 models pull grounding-dino-tiny" in first
    assert others == "siglip2-so400m, sam2.1-hiera-tiny"


def test_of_a_single_one_nothing_else_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        load_engine(
            load_settings(profile="standard", localizer="none", segmenter="none", models_cache=tmp_path, offline=True)
        )
    assert caught.value.detail.startswith("siglip2")
    assert "As little" not in caught.value.detail
