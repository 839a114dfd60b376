"""What is off weighs nothing, and what is on is as the settings say."""

import ast
from pathlib import Path

import pytest

import service
from service.app import create_app
from service.fetching.fetch import Fetcher, FetchLimits
from service.settings import load_settings


def test_it_is_off_by_default() -> None:
    assert create_app(load_settings()).state.service.fetcher is None


def test_nothing_imports_it_before_it_is_switched_on() -> None:
    for path in Path(service.__file__).parent.rglob("*.py"):
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        imported = [str(node.module) for node in statements if isinstance(node, ast.ImportFrom)]
        assert path.parent.name == "fetching" or not any(name.startswith("service.fetching") for name in imported), path


def test_the_settings_are_the_fetcher_s_limits() -> None:
    settings = load_settings(
        fetch_urls=True,
        fetch_hosts=" Good.example ,*.pictures.example",
        fetch_timeout_s=2,
        fetch_redirects=1,
        fetch_concurrent=5,
        max_image_bytes=2048,
    )
    fetcher = create_app(settings).state.service.fetcher
    assert isinstance(fetcher, Fetcher)
    assert fetcher.limits == FetchLimits(2, 2048, 1, 5, ("good.example", "*.pictures.example"))
    fetcher.close()


@pytest.mark.parametrize("wrong", [{"timeout_s": 0}, {"max_bytes": 0}, {"at_once": 0}, {"redirects": -1}])
def test_limits_that_allow_nothing_cannot_be_built(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="below"):
        FetchLimits(**wrong)  # type: ignore[arg-type]
