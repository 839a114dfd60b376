"""The rows are sound, and a name or a local folder finds its row."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidFields
from service.models.catalog import (
    MODELS,
    PROFILES,
    FolderSource,
    HubSource,
    Model,
    WheelFile,
    WheelSource,
    safe_name,
)
from service.models.find import find_model


def test_profiles_name_models_of_the_right_kind() -> None:
    for profile in PROFILES.values():
        assert find_model(profile.localizer, "localizer").kind == "localizer"
        assert find_model(profile.encoder, "encoder").kind == "encoder"
    assert {"embedded", "standard", "bio", "clip-b", "clip-l"} <= PROFILES.keys()


def test_the_embedded_profile_needs_no_hub() -> None:
    embedded = PROFILES["embedded"]
    rows = [MODELS[embedded.localizer], MODELS[embedded.encoder]]
    assert all(isinstance(row.source, WheelSource) for row in rows)
    assert sum(row.size_bytes or 0 for row in rows) < 190_000_000


def test_hub_rows_prefer_safetensors_and_claim_no_size() -> None:
    for row in MODELS.values():
        if isinstance(row.source, HubSource):
            assert any(pattern.endswith(".safetensors") for pattern in row.source.include)
            assert row.size_bytes is None
            assert row.licence


def test_hub_names_are_those_of_open_clip() -> None:
    spec = importlib.util.find_spec("open_clip")  # its table is read as text: importing it takes seconds
    assert spec is not None
    assert spec.origin is not None
    table = (Path(spec.origin).parent / "pretrained.py").read_text()
    for name in ("siglip2-so400m", "clip-b", "clip-l"):
        source = MODELS[name].source
        assert isinstance(source, HubSource)
        assert re.search(rf"hf_hub=['\"]{re.escape(source.repo)}/['\"]", table)


@pytest.mark.parametrize(
    ("name", "kind"), [("u2netp", "encoder"), ("embedded", "localizer"), ("", "encoder"), ("x", "localizer")]
)
def test_an_unknown_name_lists_the_known_ones(name: str, kind: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        find_model(name, kind)  # type: ignore[arg-type]
    problem = caught.value.problems[0]
    assert problem.field == kind
    assert problem.allowed == tuple(row.name for row in MODELS.values() if row.kind == kind)


@pytest.mark.parametrize(
    ("file", "content", "kind", "family"),
    [
        ("config.json", {"model_type": "grounding-dino"}, "localizer", "grounding_dino"),
        ("config.json", {"model_type": "owlv2"}, "localizer", "owlv2"),
        ("open_clip_config.json", {}, "encoder", "open_clip"),
    ],
)
def test_a_local_folder_says_what_it_is(tmp_path: Path, file: str, content: object, kind: str, family: str) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    model = find_model(str(tmp_path), kind)  # type: ignore[arg-type]
    assert (model.kind, model.family, model.source) == (kind, family, FolderSource(tmp_path))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"model_type": "bert"}', '{"model_type": ["owlv2"]}'])
@pytest.mark.parametrize("kind", ["localizer", "encoder"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str | None, kind: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InvalidFields, match=r"it needs an? .*config\.json"):
        find_model(str(tmp_path), kind)  # type: ignore[arg-type]


@given(st.text(alphabet="ab./\\:\0", max_size=8))
def test_a_safe_name_stays_in_its_folder(name: str) -> None:
    base = Path("/base")
    try:
        path = base / safe_name(name)
    except ValueError:
        return
    assert path.is_relative_to(base)
    assert ".." not in path.parts
    assert path != base
    assert path.relative_to(base).as_posix() == name


def test_rows_check_themselves() -> None:
    with pytest.raises(ValueError, match="sha256"):
        WheelFile("p", "1", "m", "0" * 63, 1, "a")
    with pytest.raises(ValueError, match="relative"):
        WheelFile("p", "1", "m", "0" * 64, 1, "../a")
    with pytest.raises(ValueError, match="owner/name"):
        HubSource("name", ("*",))
    with pytest.raises(ValueError, match="folder's name"):
        Model("../x", "encoder", "open_clip", None, "", 0, "")


def test_any_open_clip_repository_of_a_hub_is_an_encoder() -> None:
    model = find_model("hf-hub:Some-Owner/Some_Model.v2", "encoder")
    assert isinstance(model.source, HubSource)
    assert (model.source.repo, model.family) == ("Some-Owner/Some_Model.v2", "open_clip")
    assert "open_clip_config.json" in model.source.include
    assert model.name == "some-owner--some_model.v2"


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:no-owner", "hf-hub:../../etc", "hf-hub:a/b/c"])
def test_a_name_that_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(InvalidFields, match="hf-hub:owner/name"):
        find_model(name, "encoder")
