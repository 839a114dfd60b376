"""MiniLM on torch's layers against the published weights in transformers' own BERT."""

from pathlib import Path

import numpy as np
import pytest
import torch

from service.models.encoders.minilm import MiniLm

TEXTS = ["cat", "A photo of a cup of coffee", "", "Käse & Brot!", "word " * 400, "Amanita muscaria (L.) Lam."]


@pytest.fixture(scope="module")
def folder(models_cache: Path) -> Path:
    return models_cache / "embedded" / "minilm"


def by_transformers(folder: Path, text: str) -> np.ndarray:
    from transformers import AutoTokenizer, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=True, max_length=256)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        mean = model(**tokens).last_hidden_state[0].mean(dim=0)
    return (mean / mean.norm()).numpy()


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_vector_that_transformers_gives_it(folder: Path, text: str) -> None:
    own = MiniLm(folder).embed([text])[0]
    assert np.linalg.norm(own) == pytest.approx(1, abs=1e-5)
    assert float(own @ by_transformers(folder, text)) >= 0.99999


def test_a_text_s_vector_does_not_depend_on_its_neighbours(folder: Path) -> None:
    model = MiniLm(folder)
    together = model.embed([*TEXTS, *TEXTS])
    assert together[: len(TEXTS)] == pytest.approx(together[len(TEXTS) :], abs=1e-6)
    for row, text in zip(together, TEXTS, strict=False):
        assert model.embed([text])[0] == pytest.approx(row, abs=1e-5)
