"""From a name in the settings to a catalog row: a known one, a local folder, or an open_clip repository of a hub."""

import json
from collections.abc import Mapping
from pathlib import Path

from service.errors import FieldProblem, InvalidFields
from service.models.catalog import MODELS, REPO_NAME, Family, FolderSource, Kind, Model, hub_model

_HUB_PREFIX = "hf-hub:"
_BY_MODEL_TYPE: Mapping[Kind, Mapping[str, Family]] = {
    "localizer": {"grounding-dino": "grounding_dino", "owlv2": "owlv2"},
    "segmenter": {"sam": "sam", "sam2": "sam2", "sam2_video": "sam2"},  # the published SAM 2 are video checkpoints
}


def find_model(name: str, kind: Kind) -> Model:
    """The row of that name, or a row for a local folder if `name` is the path of one, or for an open_clip repository of
    a model hub if it is `hf-hub:owner/name`.

    `name` must come from the settings: a stranger's request may not name folders of this machine.
    Raises: InvalidFields, for no such model of that kind (the known names are listed) or a folder of unknown content.
    """
    model = MODELS.get(name)
    if model is not None and model.kind == kind:
        return model
    if kind == "encoder" and name.startswith(_HUB_PREFIX) and REPO_NAME.fullmatch(name.removeprefix(_HUB_PREFIX)):
        repo = name.removeprefix(_HUB_PREFIX)
        own_name = repo.replace("/", "--").lower()
        return hub_model(own_name, kind, "open_clip", repo, "as its publisher says", "open_clip repository")
    folder = Path(name)
    if model is None and name and folder.is_dir():
        return _folder_model(folder, kind)
    known = tuple(row.name for row in MODELS.values() if row.kind == kind)
    others = (
        "hf-hub:owner/name, or the path of a local folder" if kind == "encoder" else "or the path of a local folder"
    )
    detail = f"there is no {kind} {name!r}; known: {', '.join(known)}, {others}"
    raise InvalidFields(FieldProblem(kind, detail, known))


def _folder_model(folder: Path, kind: Kind) -> Model:
    if kind == "encoder":
        family: Family | None = "open_clip" if (folder / "open_clip_config.json").is_file() else None
        needed = "an open_clip_config.json"
    else:
        by_model_type = _BY_MODEL_TYPE[kind]
        family = by_model_type.get(_model_type(folder / "config.json"))
        needed = f"a config.json with model_type {' or '.join(by_model_type)}"
    if family is None:
        raise InvalidFields(FieldProblem(kind, f"the folder {folder} is no {kind}: it needs {needed}"))
    return Model(str(folder), kind, family, FolderSource(folder.resolve()), "as its folder says", None, "local folder")


def _model_type(config: Path) -> str:
    """As transformers writes it; empty where there is none."""
    try:
        fields = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(fields.get("model_type")) if isinstance(fields, dict) else ""
