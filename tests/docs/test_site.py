"""The built documentation: no warning, and nothing in it is loaded from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documents import PAGES, ROOT  # type: ignore[import-not-found]

from service.settings import PREFIX, Settings

pytestmark = pytest.mark.slow  # all pages are made, also those of the code
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
LOADING_LINKS = ("stylesheet", "preload", "icon", "preconnect", "dns-prefetch", "modulepreload")


class Loaded(HTMLParser):
    """Addresses that a browser asks for by itself when it shows a page, and classes of elements."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.classes |= set(given.get("class", "").split())
        if tag in LOADING and LOADING[tag] in given:
            self.addresses.append(given[LOADING[tag]])
        if tag == "link" and any(kind in given.get("rel", "").split() for kind in LOADING_LINKS):
            self.addresses.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_there_and_no_tool(site: Path) -> None:
    made = {str(path.relative_to(site).with_suffix("")) for path in site.rglob("*.html")}
    written = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES}
    assert written <= made
    assert {f"reference/{name}" for name in ("http", "commands", "settings", "errors")} <= made
    assert not list(site.rglob("*.py"))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        page = Loaded()
        page.feed(path.read_text(encoding="utf-8"))
        strange = [address for address in page.addresses if re.match(r"\w+://|//", address)]
        assert not strange, path
        assert not page.classes & {"mermaid", "arithmatex"}, "the theme would load a library for it"


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:\w+:)?//", text), path


def test_references_hold_what_the_code_has(site: Path) -> None:
    settings = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    assert all(f"{PREFIX}{name.upper()}" in settings for name in Settings.model_fields)
    http = (site / "reference" / "http.html").read_text(encoding="utf-8")
    assert all(f"{method} {path}" in http for method, path in (("POST", "/classify"), ("PUT", "/datasets/{name}")))
    python = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert all(name in python for name in ("classify_many", "deadline_s", "ProblemError"))
