import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance
from running import RunningService, running  # type: ignore[import-not-found]

VARIANTS = 14  # of each photograph in `labelled`: with fewer no learnt fusion could be fitted


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models_cache: Path) -> Iterator[RunningService]:
    """One service on real models for the blocks of all pages."""
    folder = tmp_path_factory.mktemp("documented")
    with running(folder / "log", data_dir=str(folder), models_cache=str(models_cache), offline="1") as service:
        yield service


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, photographs: dict[str, bytes]) -> Path:
    """A folder as the pages name its files: photo.jpg, pictures/ and labelled/ with a folder for each label, and
    notes.txt, which is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photo.jpg").write_bytes(photographs["rocket"])
    (folder / "notes.txt").write_text("no picture")
    for label, name in (("cat", "chelsea"), ("rocket", "rocket")):
        picture = Image.open(io.BytesIO(photographs[name]))
        picture.thumbnail((320, 320))
        for kind, count in (("pictures", 2), ("labelled", VARIANTS)):
            (folder / kind / label).mkdir(parents=True)
            for number in range(count):
                changed = ImageEnhance.Brightness(picture.rotate(3 * (number - 6))).enhance(0.7 + 0.05 * number)
                changed.save(folder / kind / label / f"{number}.jpg")
    return folder
