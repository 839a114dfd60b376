"""OpenClipEncoder against open_clip's own path from a picture or a text to an embedding."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from pictures import picture, pictures
from PIL import Image
from tiny_hardware import BFLOAT16, FLOAT32
from tiny_open_clip import SIGLIP_LOGIT_SCALE
from tokenizers import Tokenizer

from service.errors import WeightsError
from service.models.encoders.open_clip import TEXTS_AT_A_TIME, OpenClipEncoder
from service.models.factory import load_encoder
from service.models.find import find_model
from service.models.weights import WeightsStore
from service.recognition.views import padded_square

KINDS = ("siglip2", "clip", "bioclip")
TEXTS = [
    "a photo of a cat",
    "A Photo of a DOG, sitting!",
    "snow_leopard (Panthera uncia); 'ounce'",
    "the cat of the dog " * 30,
    "Émile's naïve café 🐈",
    "狗和猫",
    "  two   spaces\tand a tab ",
    "",
]


@cache
def encoder_of(folder: Path, bfloat16: bool = False) -> OpenClipEncoder:
    return OpenClipEncoder("tiny", "r1", folder, BFLOAT16 if bfloat16 else FLOAT32)


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, open_clip_folders: dict[str, Path]) -> Path:
    return open_clip_folders[request.param]


@pytest.fixture
def encoder(folder: Path) -> OpenClipEncoder:
    return encoder_of(folder)


def embed(encoder: OpenClipEncoder, arrays: list[np.ndarray]) -> np.ndarray:
    return encoder.embed_images(np.stack([encoder.preprocess(rgb) for rgb in arrays]))


def cosines(ours: np.ndarray, theirs: torch.Tensor) -> np.ndarray:
    return (ours * torch.nn.functional.normalize(theirs, dim=-1).numpy()).sum(axis=1)


@torch.inference_mode()
def test_pictures_embed_as_in_open_clip(folder: Path, encoder: OpenClipEncoder) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    batch = torch.stack([preprocess(Image.fromarray(rgb)) for rgb in pictures()])
    ours = embed(encoder, pictures())
    assert cosines(ours, model.eval().encode_image(batch)).min() >= 0.9999
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5
    assert (ours @ ours.T).min() < 0.97, "pictures that embed alike would prove nothing"


@torch.inference_mode()
def test_texts_embed_as_in_open_clip(folder: Path, encoder: OpenClipEncoder) -> None:
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    theirs = model.eval().encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS))
    ours = encoder.embed_texts(TEXTS)
    assert cosines(ours, theirs).min() >= 0.9999
    assert (ours @ ours.T).min() < 0.97
    assert encoder.dimensions == ours.shape[1] == theirs.shape[1]


def test_siglip2_texts_are_lower_cased_stripped_of_punctuation_and_padded_to_64(
    open_clip_folders: dict[str, Path],
) -> None:
    tokenizer = Tokenizer.from_file(str(open_clip_folders["siglip2"] / "tokenizer.json"))
    plain = [
        "a photo of a cat",
        "a photo of a dog sitting",
        "snow leopard panthera uncia ounce",
        " ".join(["the cat of the dog"] * 30),
        "émiles naïve café 🐈",
        "狗和猫",
        "two spaces and a tab",
        "",
    ]
    expected = []
    for text in plain:
        ids = [*tokenizer.encode(text).ids[:-1][:63], 1]
        expected.append(ids + [0] * (64 - len(ids)))
    assert encoder_of(open_clip_folders["siglip2"])._tokenize(TEXTS).tolist() == expected


@pytest.mark.parametrize("kind", ["clip", "bioclip"])
def test_clip_texts_are_open_ais_byte_pairs(kind: str, open_clip_folders: dict[str, Path]) -> None:
    ours = encoder_of(open_clip_folders[kind])._tokenize(TEXTS)
    assert torch.equal(ours, open_clip.SimpleTokenizer(context_length=77)(TEXTS))


def test_siglip2_takes_no_notice_of_capitals_and_punctuation(open_clip_folders: dict[str, Path]) -> None:
    rows = encoder_of(open_clip_folders["siglip2"]).embed_texts(["A photo of a Dog!", "a photo of a dog"])
    assert np.allclose(rows[0], rows[1], atol=1e-6)


def test_siglip2_squashes_and_clip_crops(open_clip_folders: dict[str, Path]) -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, :60, 0] = 255
    squashed = encoder_of(open_clip_folders["siglip2"]).preprocess(wide)
    assert squashed.shape == (160, 160, 3)
    assert squashed[:, 5, 0].min() > 240  # the left end is there
    assert squashed[:, 60:, 0].max() < 15
    for kind in ("clip", "bioclip"):
        cropped = encoder_of(open_clip_folders[kind]).preprocess(wide)
        assert cropped.shape == (64, 64, 3)
        assert not cropped.any()  # only the black middle is left


def test_padding_has_the_mean_colour(encoder: OpenClipEncoder) -> None:
    blank = np.empty((40, 10, 3), np.uint8)
    blank[:] = encoder.pad_colour
    shown = encoder.preprocess(padded_square(blank, encoder.pad_colour))
    assert np.ptp(shown.reshape(-1, 3), axis=0).max() == 0
    normal = encoder._images.normalized(torch.from_numpy(shown[None].copy()))
    assert normal.abs().max() < 0.5 / 255 / 0.26 + 1e-6


def test_the_network_sees_the_pixels_that_open_clips_transform_gives(folder: Path, encoder: OpenClipEncoder) -> None:
    _, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    noise = np.random.default_rng(3).integers(0, 256, (77, 190, 3), np.uint8)
    for rgb in [*pictures(), noise]:
        shown = encoder.preprocess(rgb)
        assert shown.dtype == np.uint8
        theirs = transform(Image.fromarray(rgb))
        assert torch.equal(encoder._images.normalized(torch.from_numpy(shown[None].copy()))[0], theirs)


def test_a_batch_is_what_its_pictures_are_alone(encoder: OpenClipEncoder) -> None:
    together = embed(encoder, pictures())
    alone = np.concatenate([embed(encoder, [rgb]) for rgb in pictures()])
    assert np.allclose(together, alone, atol=2e-6)


def test_many_texts_are_what_they_are_alone(encoder: OpenClipEncoder) -> None:
    texts = [f"number {number}" for number in range(TEXTS_AT_A_TIME + 3)]
    rows = encoder.embed_texts(texts)
    for place in (0, TEXTS_AT_A_TIME - 1, TEXTS_AT_A_TIME, TEXTS_AT_A_TIME + 2):
        assert np.allclose(rows[place], encoder.embed_texts([texts[place]])[0], atol=2e-6)


def test_bfloat16_stays_near_float32(folder: Path, encoder: OpenClipEncoder) -> None:
    low = encoder_of(folder, bfloat16=True)
    for ours, exact in (
        (embed(low, pictures()), embed(encoder, pictures())),
        (low.embed_texts(TEXTS), encoder.embed_texts(TEXTS)),
    ):
        assert ours.dtype == np.float32
        assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5
        assert (ours * exact).sum(axis=1).min() >= 0.98
    assert low.revision != encoder.revision


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_logit_scale_is_the_checkpoints_in_either_format(
    bfloat16: bool, open_clip_folders: dict[str, Path]
) -> None:
    scales = {kind: encoder_of(open_clip_folders[kind], bfloat16).logit_scale for kind in KINDS}
    assert scales == pytest.approx(
        {"siglip2": np.exp(SIGLIP_LOGIT_SCALE), "clip": np.exp(4.6052), "bioclip": np.exp(4.6052)}, rel=1e-6
    )


def test_a_local_folder_loads_through_the_factory(folder: Path, encoder: OpenClipEncoder, tmp_path: Path) -> None:
    store = WeightsStore(tmp_path, offline=True)
    model = find_model(str(folder), "encoder")
    loaded = load_encoder(model, store, FLOAT32)
    assert (loaded.name, loaded.revision) == (str(folder), f"{store.revision(model)}-float32")
    shown = np.stack([loaded.preprocess(picture(50, 80))])
    assert np.array_equal(loaded.embed_images(shown), encoder.embed_images(shown))


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def test_a_pickle_with_code_is_refused_unrun(open_clip_folders: dict[str, Path], tmp_path: Path) -> None:
    folder, marker = tmp_path / "bioclip", tmp_path / "was run"
    shutil.copytree(open_clip_folders["bioclip"], folder)
    weights = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)
    torch.save(weights | {"trap": Trap(marker)}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be used"):
        OpenClipEncoder("tiny", "r1", folder, FLOAT32)
    assert not marker.exists()
    torch.load(folder / "open_clip_pytorch_model.bin", weights_only=False)
    assert marker.exists(), "the trap must be a working one"


def test_a_tokenizer_with_code_is_refused_unrun(open_clip_folders: dict[str, Path], tmp_path: Path) -> None:
    folder, marker = tmp_path / "siglip2", tmp_path / "was run"
    shutil.copytree(open_clip_folders["siglip2"], folder)
    edit(
        folder / "open_clip_config.json", {"model_cfg": {"text_cfg": {"tokenizer_kwargs": {"trust_remote_code": True}}}}
    )
    edit(
        folder / "tokenizer_config.json",
        {"auto_map": {"AutoTokenizer": ["trap.Trap", None]}, "tokenizer_class": "Trap"},
    )
    (folder / "trap.py").write_text(f"open({str(marker)!r}, 'w').close()\n", encoding="utf-8")
    with pytest.raises(ValueError, match="custom code"):
        OpenClipEncoder("tiny", "r1", folder, FLOAT32)
    assert not marker.exists()


def edit(path: Path, changes: dict[str, Any]) -> None:
    def merged(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        return old | {name: merged(old.get(name), part) for name, part in new.items()}

    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(merged(fields, changes)), encoding="utf-8")


def test_a_folder_without_weights_is_no_random_model(open_clip_folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(open_clip_folders["clip"] / "open_clip_config.json", tmp_path)
    with pytest.raises(WeightsError, match="cannot be used"):
        OpenClipEncoder("tiny", "r1", tmp_path, FLOAT32)


def test_weights_of_another_shape_are_refused(open_clip_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(open_clip_folders["clip"], folder)
    edit(folder / "open_clip_config.json", {"model_cfg": {"embed_dim": 40}})
    with pytest.raises(WeightsError, match="size mismatch"):
        OpenClipEncoder("tiny", "r1", folder, FLOAT32)
