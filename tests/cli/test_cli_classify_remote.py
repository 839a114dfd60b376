"""`l2r2 classify --server`: a running service answers, and is shown as an answer of this process is."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from running import LightService, running  # type: ignore[import-not-found]
from typer.testing import CliRunner

from service.cli.local import read_options
from service.cli.main import app
from service.client import InvalidFieldsError
from service.errors import InvalidFields, ServiceUnreachable

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("service")
    with running(folder / "log", LightService, data_dir=str(folder)) as started:
        yield started


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(picture_of(COLOURS["red"]))
    return path


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_service_is_asked_with_classes_of_the_request(service: Any, photo: Path, tmp_path: Path) -> None:
    asked = ["classify", str(photo), "--server", service.url, "--classes", "red,blue", "--template", "the colour {}"]
    overlay = tmp_path / "overlay.png"
    document = json.loads(invoke(*asked, "--json", "--top-k", "1", "--set", "embeddings=yes", "--look-for", "thing",
                                 "--save-overlay", str(overlay)))  # fmt: skip
    assert (document["label"], document["dataset"], len(document["scores"])) == ("red", None, 1)
    assert document["embeddings"]
    content = {"classes": ["red", "blue"], "templates": ["the colour {}"]}
    registered = httpx.put(f"{service.url}/datasets/two", json=content).json()
    assert document["dataset_version"] == registered["version"]
    assert overlay.stat().st_size
    assert httpx.get(f"{service.url}/datasets").json()["datasets"] == [
        {name: value for name, value in registered.items() if name in ("name", "status", "version", "building",
         "progress", "failure", "class_count", "created_at", "updated_at")}
    ], "nothing else is registered"  # fmt: skip
    assert "red.png → red" in invoke(*asked)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--profile", "bio"], "is the service's own"),
        (["--look-for", "a", "--look-for", "b"], "localizer_prompts: cannot be sent .* datasets add"),
        (["--set", "topk=1"], "topk: is not a known field"),
        (["--set", "classes=a"], "is not name=value"),
    ],
)
def test_what_a_request_has_no_place_for_is_refused_here(photo: Path, more: list[str], words: str) -> None:
    with pytest.raises(InvalidFields, match=words):
        invoke("classify", str(photo), "--server", "http://127.0.0.1:1", "--classes", "red", *more)


def test_a_specification_is_sent_as_far_as_a_request_has_a_place_for_it(
    service: Any, photo: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    asked = ["classify", str(photo), "--server", service.url, "--spec", str(spec), "--json"]
    classes = ["blue", {"name": "warm", "prompts": ["red"]}]
    spec.write_text(json.dumps({"classes": classes, "localizer_prompts": ["thing"], "fusion": "average"}))
    document = json.loads(invoke(*asked))
    assert (document["label"], document["fusion"]) == ("warm", "average")
    assert json.loads(invoke(*asked, "--fusion", "robust"))["fusion"] == "robust"
    spec.write_text(json.dumps({"classes": ["red"], "priors": {"place": {"counts": {"sea": {"red": 1}}}}}))
    with pytest.raises(InvalidFields, match=r"priors: cannot be sent .* `l2r2 datasets add`"):
        invoke(*asked)
    for nothing in ({"classes": "red"}, {"templates": ["a {}"]}):
        spec.write_text(json.dumps(nothing))
        with pytest.raises(InvalidFields, match="classes: must be a list"):
            invoke(*asked)


def test_the_services_own_words_are_said(service: Any, photo: Path) -> None:
    with pytest.raises(InvalidFieldsError, match=r"422: classes\[1\].name: must not be blank"):
        invoke("classify", str(photo), "--server", service.url, "--classes", "red,,blue")
    with pytest.raises(ServiceUnreachable):
        invoke("classify", str(photo), "--server", "http://127.0.0.1:1", "--classes", "red")


def test_classes_are_no_option_of_theirs() -> None:
    wishes: Mapping[str, Any] = {}
    for pair in ("classes=a", "templates=a {}", "dataset=x"):
        with pytest.raises(InvalidFields, match="is not name=value"):
            read_options([pair], wishes)
