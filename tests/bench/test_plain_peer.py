"""The plain handler sees what the service sees: the comparison would mean nothing else."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from service.bench.peers.own_models import OwnModels
from service.bench.peers.plain_handler import handler
from service.bench.peers.plain_models import PlainModels, load_plain_models
from service.bench.peers.recognizing import recognize
from service.bench.worker import BenchFailed
from service.engine import load_engine
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.models.localizers.u2net import U2Net
from service.models.ports import PromptSet
from service.recognition.boxes import intersection_over_union
from service.settings import load_settings

pytestmark = pytest.mark.anyio


@pytest.mark.thorough
async def test_the_plain_handler_finds_the_same_object_and_its_class(
    models_cache: Path, photographs: dict[str, bytes]
) -> None:
    settings = load_settings(models_cache=models_cache, offline=True)
    plain = load_plain_models(MODELS["u2netp"], MODELS["embedded"], settings)
    rgb = {name: np.asarray(Image.open(io.BytesIO(data))) for name, data in photographs.items()}
    [box] = plain.locate([plain.prepare_picture(rgb["chelsea"])])
    own = U2Net("u2netp", "", models_cache / "u2netp" / "u2netp.onnx", Hardware("cpu", False, 1))
    [found] = own.locate([own.preprocess(rgb["chelsea"], PromptSet())])
    assert box is not None
    assert intersection_over_union(box, found[0].box) > 0.9
    names = list(photographs)
    prototypes = np.concatenate([plain.embed([plain.prepare_views(rgb[name], None)]) for name in names])
    transport = httpx.ASGITransport(handler(plain, prototypes, 100.0))
    async with httpx.AsyncClient(transport=transport, base_url="http://peer") as client:
        answer = await client.post("/classify", files={"image": ("a.jpg", photographs["chelsea"], "image/jpeg")})
    assert answer.status_code == 200
    assert names[answer.json()["label"]] == "chelsea"
    assert answer.json()["box"] == [box.x0, box.y0, box.x1, box.y1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "own"])
def test_pictures_recognized_together_are_answered_as_by_themselves(
    kind: str, models_cache: Path, photographs: dict[str, bytes]
) -> None:
    settings = load_settings(models_cache=models_cache, offline=True)
    models: PlainModels = load_plain_models(MODELS["u2netp"], MODELS["embedded"], settings)
    if kind == "own":
        recognizer = load_engine(settings).recognizer
        models = OwnModels(recognizer.localizer, recognizer.encoder)
    pictures = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in photographs.values()]
    prototypes = np.concatenate([models.embed([models.prepare_views(rgb, None)]) for rgb in pictures])
    together = recognize(models, pictures, prototypes, 100.0)
    assert [found["label"] for found in together] == list(range(len(pictures)))
    for found, rgb in zip(together, pictures, strict=True):
        [alone] = recognize(models, [rgb], prototypes, 100.0)
        assert alone["box"] == pytest.approx(found["box"])
        assert alone["label"] == found["label"]


def test_models_that_nobody_has_a_usual_way_for_are_refused(models_cache: Path) -> None:
    settings = load_settings(models_cache=models_cache, offline=True)
    with pytest.raises(BenchFailed, match="none with embedded_clip"):
        load_plain_models(MODELS["none"], MODELS["embedded"], settings)
