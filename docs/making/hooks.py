"""For MkDocs: adds the pages that are made of the code."""

from collections.abc import Callable, Mapping

from commands import commands_page
from errors_page import errors_page
from http_page import http_page, openapi_json
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from settings_page import settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/http.md": http_page,
    "reference/commands.md": commands_page,
    "reference/settings.md": settings_page,
    "reference/errors.md": errors_page,
    "reference/openapi.json": openapi_json,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path, made in PAGES.items():
        files.append(File.generated(config, path, content=made()))
    return files
