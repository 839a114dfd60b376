"""One browser and one service, which asks for keys, for all tests of the page."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from page_service import PageService  # type: ignore[import-not-found]
from running import running  # type: ignore[import-not-found]
from security.key_making import bearer, made  # type: ignore[import-not-found]
from visits import Visit, Visits, started_browser  # type: ignore[import-not-found]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed (apt-get install chromium)")
    with started_browser(CHROMIUM) as browser:
        yield browser


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    return file, made(file, "visitor")


@pytest.fixture(scope="module")
def service(browser: Any, secret: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. Lists of more than 50 classes are built in the background, slowly enough to be seen."""
    folder = tmp_path_factory.mktemp("page")
    settings = {"data_dir": str(folder), "keys_file": str(secret[0]), "public_paths": "/,/page"}
    settings |= {"background_build_texts": "50", "build_chunk_texts": "1", "canary_interval_s": "3600"}
    with running(folder / "log", PageService, **settings) as service:
        yield service.url


@pytest.fixture
def api(service: str, secret: tuple[Path, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers=bearer(secret[1]), timeout=60) as client:
        yield client


@pytest.fixture
def visits(browser: Any, service: str, secret: tuple[Path, str]) -> Iterator[Visits]:
    opened = Visits(browser, service, secret[1])
    yield opened
    opened.close()


@pytest.fixture
def visit(visits: Visits) -> Visit:
    """A visitor whose key the tab knows."""
    return visits.new()
