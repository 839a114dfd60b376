"""CARD.md: what the projector was made of and what it is worth, written by the build itself so that it cannot drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from service.models.projector.crossval import JUDGE, CrossValidation
from service.models.projector.fit import Settings
from service.models.projector.packages import PACKAGES

_METHOD = """## Method
1. Each drawing is embedded, on plain white, by the image tower of CLIP ViT-B/16 with int8 weights.
2. Each style is centred by its own mean. A name's target is the mean over its drawings; tags that few
   drawings share become further names of less weight.
3. Kernel ridge regression (Gaussian kernel on unit MiniLM embeddings of the bare names) maps names to targets. The
   names are kept as landmarks of 4 bits a number, and the fit is made on them as kept; coefficients take 8 bits.
4. The coefficients are multiplied by the shrunken inverse of the covariance that predictions for held-out names leave
   unexplained (Fisher's discriminant): what varies whatever a picture shows, such as style, hardly counts.
5. The logit scale is the one of least log loss on held-out names.

The stored image mean is the mean over drawings, every style counting alike. No photograph took part in any step."""
_USE = """## Use
- Text: embed the bare class name (`TEXT_POLICY = "{}"`); strip a template such as "A photo of a {}".
- Image: `centre_images` (unit, minus the stored mean, unit again); scores are `logit_scale` times the cosine."""
_LIMITS = """## Tried and left out
None of these moved accuracy, on held-out names or on photographs, by more than the noise: two more emoji styles
(EmojiOne, FxEmoji), the first fifth of the icons of game-icons, made-up scenes as backdrops (a third of the
drawings; log loss fell a little), subtracting the mean of a dataset's class vectors. Names spread through
WordNet's tree and a softmax loss (one short trial) lost accuracy on held-out names. Share-alike sets were not
needed.

## Limits
A stand-in for CLIP's text tower, good for everyday things and animals in English. Fine-grained classes (breeds, makes,
species), proper names, actions and adjectives are beyond it. People were drawn as emoji: do not use it to sort people.
Confidence is calibrated on drawings; on photographs it is a ranking aid. Where a model hub is reachable, a full CLIP or
SigLIP profile is better.

Figures on photographs are README's. No fit saw those pictures, but the shrinkage, the weight of tags that are names and
the list of packages were settled with an eye on them too, so expect less elsewhere."""


def write_card(
    path: Path,
    drawings_by_style: Mapping[str, int],
    names: int,
    file_bytes: int,
    sha256: str,
    validation: CrossValidation,
    settings: Settings,
) -> None:
    """Write the card of a fresh build."""
    sections = [
        "# Text projector: MiniLM names to CLIP ViT-B/16 image space",
        f"`text_projector.safetensors`, {file_bytes:,} bytes, sha256 `{sha256}`, fitted on {names:,} names. "
        "Written by the build: do not edit.",
        _data(drawings_by_style),
        _METHOD + "\n\nSettings: " + ", ".join(f"{name} {value}" for name, value in asdict(settings).items()) + ".",
        _validation(validation),
        "## Rebuild\n`l2r2 models build-projector --cache DIR` (needs `npm`, `apt-get`, `dpkg-deb`, the extra "
        "`projector`): 13 minutes on two busy cores, resumable. "
        "Packages are fetched by name and version through your own mirrors.",
        _USE,
        _LIMITS,
    ]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _data(drawings_by_style: Mapping[str, int]) -> str:
    head = "## Data\n| package | version | drawings | licence | by |\n|---|---|---|---|---|"
    rows = [
        f"| {p.client} `{p.name}` | {p.version} | {drawings_by_style.get(p.style, 0) or 'names only'} "
        f"| {p.licence} | {p.attribution} |"
        for p in PACKAGES
    ]
    note = (
        "The file holds statistics of these drawings, none of the drawings themselves. Changes made to them: "
        "rasterised, scaled, put on white, embedded, averaged. Flags, symbols, skin-tone variants and share-alike sets "
        "were left out."
    )
    return "\n".join([head, *rows, "", note])


def _validation(found: CrossValidation) -> str:
    return (
        f"## Cross-validation over names\n{found.folds} folds; each holds out about {found.classes:.0f} names and the "
        f"whole style `{JUDGE}`, whose {found.pictures:.0f} pictures of these names then judge. Accuracy "
        f"{found.accuracy:.3f} (top five {found.top5_accuracy:.3f}; without step 4 {found.plain_accuracy:.3f}), "
        f"log loss {found.log_loss:.3f} at logit scale {found.logit_scale:.0f}."
    )
