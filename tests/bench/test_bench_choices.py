import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.bench.choices import PARTS, QUICK, USUAL_PARTS, make_choices
from service.cli import bench as command
from service.cli.main import app
from service.errors import InvalidFields


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({}, set(USUAL_PARTS)),
        ({"url": "http://here"}, set(USUAL_PARTS) - {"limit"}),
        ({"only": ("http",)}, {"http"}),
        ({"only": ("http",), "peers": True}, {"http", "peers"}),
        ({"only": ("http",), "infinity": "start"}, {"http", "infinity"}),
        ({"only": ("http",), "litserve_python": "python"}, {"http", "peers"}),
        ({"memory_requests": 100}, {*USUAL_PARTS, "memory"}),
        ({"registering_classes": 10, "only": ("limit",)}, {"limit", "registering"}),
    ],
)
def test_an_option_of_one_part_adds_it(given: Mapping[str, Any], parts: set[str]) -> None:
    assert make_choices(given).parts == parts


def test_quick_is_fewer_points_and_what_is_given_wins() -> None:
    choices = make_choices({"quick": True, "seconds": 1.0, "concurrency": None})
    assert (choices.seconds, choices.concurrency) == (1.0, QUICK["concurrency"])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"only": ("http", "htpp")}, "only"),
        ({"concurrency": (1, 0)}, "concurrency"),
        ({"rates": ()}, "rates"),
        ({"seconds": 0.0}, "seconds"),
        ({"turns": 0}, "turns"),
        ({"memory_requests": 5}, "memory_requests"),
        ({"url": "http://here", "only": ("limit",)}, "url"),
        ({"only": ("infinity",)}, "infinity"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(given: Mapping[str, Any], field: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        make_choices(given)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_bad_numbers_on_the_command_line_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "--concurrency", "1,two", "--out", str(tmp_path)])
    assert isinstance(result.exception, InvalidFields)
    assert "1,two" in result.exception.detail
    assert json.dumps(list(tmp_path.iterdir())) == "[]"


def test_the_help_names_every_part() -> None:
    assert ", ".join(PARTS) == command.PARTS
