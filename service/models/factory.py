"""From a catalog row to a running model: one loader for each family, imported only when its row is chosen."""

from collections.abc import Callable, Mapping
from pathlib import Path

from service.models.catalog import Family, Model
from service.models.hardware import Hardware
from service.models.ports import Encoder, Localizer, Segmenter
from service.models.weights import WeightsStore


def _u2net(name: str, revision: str, folder: Path, hardware: Hardware) -> Localizer:
    from service.models.localizers.u2net import U2Net

    return U2Net(name, revision, folder / "u2netp.onnx", hardware)


def _grounding_dino(name: str, revision: str, folder: Path, hardware: Hardware) -> Localizer:
    from service.models.localizers.grounding_dino import GroundingDino

    return GroundingDino(name, revision, folder, hardware)


def _owlv2(name: str, revision: str, folder: Path, hardware: Hardware) -> Localizer:
    from service.models.localizers.owlv2 import Owlv2

    return Owlv2(name, revision, folder, hardware)


def _none(_name: str, _revision: str, _folder: Path, _hardware: Hardware) -> Localizer:
    from service.models.localizers.none import NoLocalizer

    return NoLocalizer()


def _u2net_mask(name: str, revision: str, folder: Path, hardware: Hardware) -> Segmenter:
    from service.models.segmenters.u2net import U2NetSegmenter

    return U2NetSegmenter(name, revision, folder / "u2netp.onnx", hardware)


def _sam(name: str, revision: str, folder: Path, hardware: Hardware) -> Segmenter:
    from service.models.segmenters.sam import Sam

    return Sam(name, revision, folder, hardware)


def _sam2(name: str, revision: str, folder: Path, hardware: Hardware) -> Segmenter:
    from service.models.segmenters.sam2 import Sam2

    return Sam2(name, revision, folder, hardware)


def _embedded(name: str, revision: str, folder: Path, hardware: Hardware) -> Encoder:
    from service.models.encoders.embedded import EmbeddedEncoder

    return EmbeddedEncoder(name, revision, folder, hardware)


def _open_clip(name: str, revision: str, folder: Path, hardware: Hardware) -> Encoder:
    from service.models.encoders.open_clip import OpenClipEncoder

    return OpenClipEncoder(name, revision, folder, hardware)


LOCALIZERS: Mapping[Family, Callable[[str, str, Path, Hardware], Localizer]] = {
    "u2net": _u2net,
    "grounding_dino": _grounding_dino,
    "owlv2": _owlv2,
    "none": _none,
}
SEGMENTERS: Mapping[Family, Callable[[str, str, Path, Hardware], Segmenter]] = {
    "u2net_mask": _u2net_mask,
    "sam": _sam,
    "sam2": _sam2,
}
ENCODERS: Mapping[Family, Callable[[str, str, Path, Hardware], Encoder]] = {
    "embedded_clip": _embedded,
    "open_clip": _open_clip,
}


def load_localizer(model: Model, weights: WeightsStore, hardware: Hardware) -> Localizer:
    """Raises WeightsError where the weights are not to be had."""
    folder = weights.folder(model)
    return LOCALIZERS[model.family](model.name, weights.revision(model), folder, hardware)


def load_segmenter(model: Model, weights: WeightsStore, hardware: Hardware) -> Segmenter:
    """Raises WeightsError where the weights are not to be had."""
    folder = weights.folder(model)
    return SEGMENTERS[model.family](model.name, weights.revision(model), folder, hardware)


def load_encoder(model: Model, weights: WeightsStore, hardware: Hardware) -> Encoder:
    """Raises WeightsError where the weights are not to be had."""
    folder = weights.folder(model)
    return ENCODERS[model.family](model.name, weights.revision(model), folder, hardware)
