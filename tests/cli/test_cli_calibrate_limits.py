"""`l2r2 datasets calibrate` against a service that takes little at once and has settings of its own."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from running import RunningService, running  # type: ignore[import-not-found]
from typer.testing import CliRunner

from service.cli.main import app
from service.errors import BodyTooLarge, DatasetBuilding, ServiceError

pytestmark = pytest.mark.thorough

MOST_BYTES = 60_000
LONG = "b" * 190


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, models_cache: Path) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("small")
    settings = {"max_body_bytes": str(MOST_BYTES), "box_margin": "0.1", "background_build_texts": "200"}
    with running(folder / "log", data_dir=str(folder), models_cache=str(models_cache), offline="1", **settings) as one:
        yield one


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 small pictures of two classes; but the first one's, their labels are long."""
    folder = tmp_path_factory.mktemp("table")
    drawn = np.random.default_rng(0)
    for number in range(21):
        Image.fromarray(drawn.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    rows = [f"{number}.png,{'a' if number == 0 else LONG}" for number in range(21)]
    (folder / "all.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    (folder / "two.csv").write_text("\n".join(["path,label", *rows[:2]]), encoding="utf-8")
    return folder / "all.csv"


def calibrate(service: RunningService, name: str, data: Path, *more: object) -> None:
    assert httpx.post(f"{service.url}/datasets", json={"name": name, "classes": ["a", LONG]}, timeout=60).is_success
    arguments = ["datasets", "calibrate", name, "--data", data, "--url", service.url, *more]
    CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


def looks_in(cache: Path) -> int:
    connection = sqlite3.connect(cache)
    [(count,)] = connection.execute("SELECT count(*) FROM looks").fetchall()
    connection.close()
    return int(count)


def test_what_is_too_much_to_send_is_refused_when_one_picture_was_looked_at(
    small: RunningService, table: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "looks.sqlite"
    with pytest.raises(BodyTooLarge, match=r"21 pictures in 3 views .* 60000: .*L2R2_MAX_BODY_BYTES"):
        calibrate(small, "much", table, "--cache", cache)
    assert looks_in(cache) == 1


def test_what_the_service_does_not_take_is_not_lost_with_a_cache(
    small: RunningService, table: Path, tmp_path: Path
) -> None:
    cache, options = tmp_path / "looks.sqlite", ("--branches", "full")
    with pytest.raises(BodyTooLarge, match=r"at most 60000 .*L2R2_MAX_BODY_BYTES.* kept in .*looks\.sqlite"):
        calibrate(small, "more", table, *options, "--cache", cache)
    assert looks_in(cache) == 21
    with pytest.raises(BodyTooLarge, match="with --cache FILE the embeddings would be kept"):
        calibrate(small, "more", table, *options)


def test_what_a_service_with_other_settings_saw_is_looked_at_again(
    small: RunningService, server: RunningService, table: Path, tmp_path: Path
) -> None:
    cache, two = tmp_path / "looks.sqlite", table.with_name("two.csv")
    for service, count in ((server, 2), (small, 4), (server, 4)):
        with pytest.raises(ServiceError, match="needs 20 pictures"):
            calibrate(service, "widened", two, "--cache", cache)
        assert looks_in(cache) == count


def test_a_dataset_that_is_being_built_is_not_calibrated(small: RunningService, table: Path, tmp_path: Path) -> None:
    cache = tmp_path / "looks.sqlite"
    with pytest.raises(ServiceError, match="needs 20 pictures"):
        calibrate(small, "growing", table.with_name("two.csv"))
    content = {"classes": ["a", LONG, *(f"class {number}" for number in range(1500))]}
    assert httpx.put(f"{small.url}/datasets/growing", json=content, timeout=60).status_code == 202
    arguments = ["datasets", "calibrate", "growing", "--data", str(table), "--url", small.url, "--cache", str(cache)]
    with pytest.raises(DatasetBuilding, match=r"newest version of growing is \d+% built"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert not cache.exists()
