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
from service.models.factory import ENCODERS, LOCALIZERS, SEGMENTERS
from service.models.find import find_model


def test_profiles_name_models_of_the_right_kind() -> None:
    for profile in PROFILES.values():
        assert find_model(profile.localizer, "localizer").kind == "localizer"
        assert find_model(profile.encoder, "encoder").kind == "encoder"
        assert profile.segmenter is None or find_model(profile.segmenter, "segmenter").kind == "segmenter"
    assert {"embedded", "standard", "bio", "clip-b", "clip-l"} <= PROFILES.keys()


def test_the_embedded_profile_needs_no_hub() -> None:
    embedded = PROFILES["embedded"]
    assert embedded.segmenter == "u2netp-mask"
    rows = [MODELS[name] for name in (embedded.localizer, embedded.segmenter, embedded.encoder)]
    assert all(isinstance(row.source, WheelSource) for row in rows)
    at_the_start = [MODELS[name] for name in (embedded.localizer, embedded.encoder)]
    assert sum(row.size_bytes or 0 for row in at_the_start) < 190_000_000


def test_hub_rows_prefer_safetensors_and_claim_no_size() -> None:
    for row in MODELS.values():
        if isinstance(row.source, HubSource):
            assert any(pattern.endswith(".safetensors") for pattern in row.source.include)
            assert row.size_bytes is None
            assert row.licence


def test_segmenters_need_no_files_but_their_own() -> None:
    assert MODELS["u2netp-mask"].source == MODELS["u2netp"].source
    for name in ("sam-vit-base", "sam2.1-hiera-tiny"):
        source = MODELS[name].source
        assert isinstance(source, HubSource)
        assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= set(source.include)
        assert not any("*" in pattern for pattern in source.include)  # their repositories hold pickles too


def test_every_family_has_its_loader() -> None:
    loaders = {"localizer": LOCALIZERS, "segmenter": SEGMENTERS, "encoder": ENCODERS}
    for row in MODELS.values():
        assert row.family in loaders[row.kind]


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
    ("name", "kind"),
    [
        ("u2netp", "encoder"),
        ("embedded", "localizer"),
        ("", "encoder"),
        ("x", "localizer"),
        ("none", "segmenter"),
        ("u2netp", "segmenter"),
        ("hf-hub:a/b", "segmenter"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(name: str, kind: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        find_model(name, kind)  # type: ignore[arg-type]
    problem = caught.value.problems[0]
    assert problem.field == kind
    assert problem.allowed == tuple(row.name for row in MODELS.values() if row.kind == kind)
    assert all(known in problem.detail for known in problem.allowed)


@pytest.mark.parametrize(
    ("file", "content", "kind", "family"),
    [
        ("config.json", {"model_type": "grounding-dino"}, "localizer", "grounding_dino"),
        ("config.json", {"model_type": "owlv2"}, "localizer", "owlv2"),
        ("config.json", {"model_type": "sam"}, "segmenter", "sam"),
        ("config.json", {"model_type": "sam2"}, "segmenter", "sam2"),
        ("config.json", {"model_type": "sam2_video"}, "segmenter", "sam2"),
        ("open_clip_config.json", {}, "encoder", "open_clip"),
    ],
)
def test_a_local_folder_says_what_it_is(tmp_path: Path, file: str, content: object, kind: str, family: str) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    model = find_model(str(tmp_path), kind)  # type: ignore[arg-type]
    assert (model.kind, model.family, model.source) == (kind, family, FolderSource(tmp_path))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"model_type": "bert"}', '{"model_type": ["owlv2"]}'])
@pytest.mark.parametrize("kind", ["localizer", "segmenter", "encoder"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str | None, kind: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InvalidFields, match=r"it needs an? .*config\.json"):
        find_model(str(tmp_path), kind)  # type: ignore[arg-type]


def test_a_folder_of_another_kind_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "owlv2"}')
    with pytest.raises(InvalidFields, match=r"no segmenter: it needs a config\.json with model_type sam or sam2"):
        find_model(str(tmp_path), "segmenter")
    (tmp_path / "config.json").write_text('{"model_type": "sam2_video"}')
    with pytest.raises(InvalidFields, match=r"no localizer: it needs a config\.json with model_type grounding-dino or"):
        find_model(str(tmp_path), "localizer")


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
