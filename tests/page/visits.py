"""A visitor in a real browser, who notices what should not be: errors in the console, requests to elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect, sync_playwright

WAIT_MS = 20_000
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
SERIOUS = ("serious", "critical")
SPOKEN_FOR = "Failed to load resource"  # what a browser notes of every refusal; the page shows these itself


@contextmanager
def started_browser(path: str) -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Visit:
    """One tab. `at` finds what a selector names."""

    def __init__(self, page: Page, service: str) -> None:
        self.page, self.service = page, service
        self.faults: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda entry: self._note(entry.type in ("error", "warning"), entry.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda asked: self._note(not asked.url.startswith((service, "blob:")), asked.url))
        page.goto(f"{service}/")

    def _note(self, wrong: bool, words: str) -> None:
        if wrong and not words.startswith(SPOKEN_FOR):
            self.faults.append(words)

    def at(self, selector: str) -> Any:
        return self.page.locator(selector)

    def give(self, colour: str = "red", salt: int = 0, size: int = 64) -> None:
        """Choose a picture of that colour."""
        file = {"name": f"{colour}.png", "mimeType": "image/png", "buffer": picture_of(COLOURS[colour], salt, size)}
        self.page.set_input_files("#file", file)

    def ask(self, colour: str = "red", names: str = "red, green, blue", salt: int = 0) -> None:
        """Choose a picture, type names, and wait for the answer."""
        self.give(colour, salt)
        self.page.fill("#names", names)
        self.page.press("#names", "Enter")
        self.answered(colour)

    def answered(self, label: str) -> None:
        expect(self.at("#label")).to_have_text(label)
        expect(self.at("#answer")).to_have_attribute("aria-busy", "false")

    def width_px(self) -> int:
        width: int = self.page.evaluate("document.scrollingElement.scrollWidth")
        return width

    def barriers(self) -> list[str]:
        """What axe finds serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [f"{entry['id']}: {[node['html'] for node in entry['nodes']]}" for entry in found
                if entry["impact"] in SERIOUS]  # fmt: skip


class Visits:
    """Tabs that are closed at the end, when none of them may have noticed a fault."""

    def __init__(self, browser: Browser, service: str, secret: str) -> None:
        self._browser, self._service, self._secret = browser, service, secret
        self._contexts: list[Any] = []
        self._visits: list[Visit] = []

    def new(self, size: str = "desktop", has_key: bool = True, scripts: Sequence[str] = (), **context: Any) -> Visit:
        width, height = WIDTHS[size]
        opened = self._browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **context
        )
        self._contexts.append(opened)
        if has_key:
            opened.add_init_script(f"sessionStorage.setItem('l2r2-key', '{self._secret}')")
        for script in scripts:
            opened.add_init_script(script)
        return self.beside(opened)

    def beside(self, context: Any) -> Visit:
        """A further tab of the same browser profile."""
        visit = Visit(context.new_page(), self._service)
        self._visits.append(visit)
        return visit

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        assert [visit.faults for visit in self._visits if visit.faults] == []
