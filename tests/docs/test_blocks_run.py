"""The documentation's examples do what they say, against one service on real models."""

import shutil
from pathlib import Path

import pytest
from documents import PAGES, blocks_of, run_blocks  # type: ignore[import-not-found]
from running import RunningService  # type: ignore[import-not-found]

RUN = [page for page in PAGES if any(block.is_run and not block.is_slow for block in blocks_of(page))]
SLOW = [page for page in PAGES if any(block.is_slow for block in blocks_of(page))]


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pictures, tmp_path / "work")


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_blocks_run_in_their_order(page: Path, server: RunningService, folder: Path) -> None:
    blocks = [block for block in blocks_of(page) if block.is_run and not block.is_slow]
    assert run_blocks(blocks, server.url, folder)


@pytest.mark.slow  # models loaded anew by commands, calibrations, evaluations
@pytest.mark.parametrize("page", SLOW, ids=lambda page: page.stem)
def test_slow_blocks_run_after_the_others(page: Path, server: RunningService, folder: Path) -> None:
    if page.stem == "deployment":  # its commands stand on a database that is there
        shutil.copytree(server.log.parent, folder / "data")
    assert run_blocks([block for block in blocks_of(page) if block.is_run], server.url, folder)
