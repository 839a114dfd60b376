"""Whatever code the service may answer with, somebody finds out what it means and what to do."""

import importlib
import pkgutil
import re
import sys

import pytest
from documents import DOCS  # type: ignore[import-not-found]

import service.errors
from service.errors import ServiceError

TEXT = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
PARTS = ("Meaning", "Why", "What to do")


def error_classes() -> list[type[ServiceError]]:
    """All in the modules of the package, the base too."""
    for module in pkgutil.iter_modules(service.errors.__path__, f"{service.errors.__name__}."):
        importlib.import_module(module.name)
    modules = [module for name, module in sys.modules.items() if name.startswith(service.errors.__name__)]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return sorted((kind for kind in found if issubclass(kind, ServiceError)), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_code_has_an_entry_of_its_status_with_meaning_reason_and_way_out(kind: type[ServiceError]) -> None:
    entry = ENTRIES[kind.code]
    assert entry.strip().startswith(f"**{kind.status}** · ")
    for part in PARTS:
        assert len(re.findall(rf"^- \*\*{part}\*\*: \S", entry, re.MULTILINE)) == 1, part


def test_titles_are_the_codes_own_and_no_entry_is_of_a_code_that_is_gone() -> None:
    titles = {kind.code: kind.title for kind in error_classes()[::-1]}
    said = {code: entry.strip().partition(" · ")[2].partition("\n")[0] for code, entry in ENTRIES.items()}
    assert set(said) == set(titles)
    assert all(said[kind.code] == kind.title for kind in error_classes())


def test_fallbacks_are_explained() -> None:
    from service.recognition.answers import FALLBACKS

    for fallback in FALLBACKS:
        assert f"| `{fallback}` |" in TEXT
