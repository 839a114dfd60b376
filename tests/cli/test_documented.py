"""The documentation's examples do what they say, against one service on real models."""

import shutil
from pathlib import Path

import pytest
from documents import PAGES, blocks_of, run_blocks  # type: ignore[import-not-found]
from running import RunningService  # type: ignore[import-not-found]
from test_readme import labelled_pictures  # type: ignore[import-not-found]

RUN = [page for page in PAGES if any(block.is_run and not block.is_slow for block in blocks_of(page))]
SLOW = [page for page in PAGES if any(block.is_slow for block in blocks_of(page))]
LABELS = {"chelsea": "cat", "coffee": "cup of coffee", "astronaut": "astronaut", "rocket": "rocket"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, bytes]) -> Path:
    """A folder as the pages name its files: photo.jpg, pictures/ and labelled/ with a folder for each label, and
    notes.txt, which is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photo.jpg").write_bytes(photographs["rocket"])
    (folder / "notes.txt").write_text("no picture")
    labelled_pictures(folder / "labelled", photographs)
    for name, label in LABELS.items():
        (folder / "pictures" / label).mkdir(parents=True)
        (folder / "pictures" / label / f"{name}.jpg").write_bytes(photographs[name])
    return folder


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pictures, tmp_path / "work")


@pytest.mark.thorough
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
