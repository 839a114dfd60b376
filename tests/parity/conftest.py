"""Tiny checkpoints of the hub models' architectures, each saved once in its library's own format."""

from pathlib import Path

import pytest
import torch
from tiny_detectors import save_grounding_dino, save_owlv2
from tiny_open_clip import save_bioclip, save_clip, save_siglip2
from tiny_segmenters import save_sam, save_sam2, save_sam2_video


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny models gain nothing from a second one, and beside other processes it costs several times the time."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def open_clip_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("open_clip")
    return {
        "siglip2": save_siglip2(root / "siglip2"),
        "clip": save_clip(root / "clip"),
        "bioclip": save_bioclip(root / "bioclip"),
    }


@pytest.fixture(scope="session")
def grounding_dino_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_grounding_dino(tmp_path_factory.mktemp("grounding_dino"))


@pytest.fixture(scope="session")
def owlv2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_owlv2(tmp_path_factory.mktemp("owlv2"))


@pytest.fixture(scope="session")
def segmenter_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("segmenters")
    return {
        "sam": save_sam(root / "sam"),
        "sam2": save_sam2(root / "sam2"),
        "sam2_video": save_sam2_video(root / "sam2_video"),
    }
