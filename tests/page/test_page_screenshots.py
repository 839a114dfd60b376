"""The two pictures of README, made by the service as it is tried: real models, the first sample, one click."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect
from running import RunningService, running  # type: ignore[import-not-found]
from visits import Visit  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[2] / "docs" / "images"
WIDTH, SCALE, MOST_BYTES = 1240, 1.5, 200_000


@pytest.fixture(scope="module")
def embedded(browser: Any, models_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("shown")
    settings = {"data_dir": str(folder), "models_cache": str(models_cache), "threads": "2"}
    with running(folder / "log", RunningService, **settings) as service:
        yield service.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readme_shows_the_page_as_it_is(browser: Any, embedded: str, scheme: Any) -> None:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 900},
        device_scale_factor=SCALE,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    visit = Visit(context.new_page(), embedded)
    for place in (1, 0):  # the first answer of all takes longer
        visit.at(".sample").nth(place).click()
        expect(visit.at("#picture-name")).to_have_text(("cup-on-the-moon.jpg", "cat.jpg")[place])
        expect(visit.at("#label")).to_have_text(("cup of coffee", "cat")[place])
    expect(visit.at("#answer")).to_have_attribute("aria-busy", "false")
    assert visit.faults == []
    taken = Image.open(io.BytesIO(visit.page.screenshot(full_page=True))).convert("RGB")
    context.close()
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"page-{scheme}.webp"
    taken.save(file, quality=82, method=6)
    assert file.stat().st_size <= MOST_BYTES


def test_every_sample_is_answered_rightly_and_the_first_misleads_the_full_picture(browser: Any, embedded: str) -> None:
    context = browser.new_context()
    visit = Visit(context.new_page(), embedded)
    samples = visit.page.evaluate("async () => (await import('./page/samples.js')).SAMPLES")
    for place, sample in enumerate(samples):
        visit.at(".sample").nth(place).click()
        expect(visit.at("#picture-name")).to_have_text(sample["file"])
        expect(visit.at("#label")).to_have_text(sample["label"])
        expect(visit.at("#answer")).to_have_attribute("aria-busy", "false")
        misled = "Alone, the full picture would have said moon rover" if place == 0 else ""
        expect(visit.at("#dissent")).to_contain_text(misled)
    context.close()
