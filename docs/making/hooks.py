"""For MkDocs: puts what is made of the code in the place of the files that stand for it in the repository."""

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
        standing_in = files.get_file_from_path(path)
        if standing_in is not None:
            files.remove(standing_in)
        files.append(File.generated(config, path, content=made()))
    return files
