"""Links within the repository lead somewhere, also where the Markdown is read as files, without the built site."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from documents import DOCS, PAGES, ROOT  # type: ignore[import-not-found]

FENCED = re.compile(r"^[ ]*```.*?^[ ]*```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#")  # an address with a scheme, or a place in the same page
MADE = re.findall(r'"(reference/\w+\.md)":', (DOCS / "making" / "hooks.py").read_text(encoding="utf-8"))


def relative_links(page: Path) -> list[str]:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return [link for link in LINK.findall(text) if not ELSEWHERE.match(link)]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_of_the_repository(page: Path) -> None:
    for link in relative_links(page):
        meant = (page.parent / unquote(link.partition("#")[0])).resolve()
        assert meant.is_file(), link
        assert meant.is_relative_to(ROOT), link


def test_there_are_links() -> None:
    assert sum(len(relative_links(page)) for page in (ROOT / "README.md", *PAGES)) > 30


@pytest.mark.parametrize("path", MADE)
def test_a_page_that_is_made_for_the_site_says_so_where_it_is_read_as_a_file(path: str) -> None:
    text = (DOCS / path).read_text(encoding="utf-8")
    assert "made of the code when the documentation is built" in " ".join(text.split())
    assert len(text) < 500, "its content is made elsewhere"


def test_such_pages_are_known() -> None:
    assert len(MADE) >= 4
