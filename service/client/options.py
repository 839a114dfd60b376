"""What may be asked for besides the picture, typed once for all clients."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict


class ClassifyOptions(TypedDict, total=False):
    """The fields of POST /classify. Of `dataset` and `classes` exactly one; classes are names, or objects of `name` and
    `prompts`."""

    dataset: str | None
    dataset_version: str | None
    classes: Sequence[str | Mapping[str, Any]] | None
    templates: Sequence[str] | None
    top_k: int | None
    fusion: str | None
    branches: Sequence[str] | None
    localizer_prompt: str | None
    metadata: Mapping[str, str | int | float | bool] | None
    box_threshold: float | None
    box_margin: float | None
    pad_colour: str | None
    wide_margin: float | None
    blur: float | None
    cascade: float | None
    cascade_first: str | None
    abstain_below: float | None
    abstain_by: str | None
    objects: int | None
    candidates: int | None
    candidate_fusion: str | None
    embeddings: bool | None


class DatasetOptions(TypedDict, total=False):
    """A dataset's content besides its classes, as POST /datasets takes it."""

    templates: Sequence[str] | None
    localizer_prompts: Sequence[str] | None
    localizer_prompt_mode: str | None
    box_threshold: float | None
    box_margin: float | None
    encoder: str | None
    fusion: str | None
    branches: Sequence[str] | None
    pad_colour: str | None
    wide_margin: float | None
    blur: float | None
    priors: Mapping[str, Any] | None
    class_prior: Mapping[str, float] | None
    cascade: float | None
    cascade_first: str | None
    abstain_below: float | None
    abstain_by: str | None
    calibration: Mapping[str, Any] | None


class CalibrationOptions(TypedDict, total=False):
    """The fields of POST /datasets/{name}/calibration besides the pictures."""

    branches: Sequence[str] | None
    fusion: str | None
    temperatures: str | None
    learn: bool | None
    validation_share: float | None
    keep_right: float | None
    abstain_by: str | None
    abstain: bool | None
    seed: int | None
    activate: bool | None


def given(options: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The options that are not None, with lists for other sequences. Raises TypeError for one that there is none of."""
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(f"there is no option {unknown[0]!r}; there are {', '.join(known)}")
    return {name: _plain(name, value) for name, value in options.items() if value is not None}


def form_fields(options: Mapping[str, Any]) -> dict[str, str]:
    """As they travel in a form: texts as they are, views separated by commas, everything else as JSON."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
    return texts | ({"branches": ",".join(options["branches"])} if "branches" in options else {})


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str) and name in ("classes", "templates", "branches", "localizer_prompts"):
        raise TypeError(f"{name} is a list, not the text {value!r}")
    return list(value) if isinstance(value, tuple) else value
