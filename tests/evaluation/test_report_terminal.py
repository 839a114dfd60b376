import io
import re
from pathlib import Path

import pytest
from made_evaluation import drawn, made
from rich.cells import cell_len
from rich.console import Console, RenderableType

from service.evaluation.labelled import Labelled
from service.evaluation.report.figures import Summary
from service.evaluation.report.summary import summarize
from service.evaluation.report.terminal import details, markdown, report, table

PARTS = ("natural", "mixed_same", "mixed_rand", "a part [bold]", "犬と猫")
METHODS = {
    "full": 0.6,
    "fg": 0.7,
    "bg_shape": 0.3,
    "max_confidence": 0.75,
    "scaled_weighted_average": 0.8,
    "best_box": 1.0,
}


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("pictures")
    return summarize(drawn(folder, PARTS, ("cat", "dog", "owl"), METHODS, none=5), resamples=50)


def printed(shown: RenderableType, width: int, *, colours: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_methods_are_rows_and_parts_columns_with_their_mean(summary: Summary) -> None:
    text = printed(table(summary), 200)
    head, _, *rows = text.splitlines()
    assert all(part in head for part in (*PARTS, "mean"))
    assert [row.split()[0] for row in rows if row.strip()] == [*METHODS, "pictures", "only"]
    [fg] = [row for row in rows if row.startswith("fg")]
    shares = [f"{100 * part.scores[1].micro.share:.2f}" for part in summary.measured_parts]
    mean = summary.mean[1].micro
    assert re.findall(r"[+-]\d+\.\d\d +(\d+\.\d\d)", fg) == [*shares, f"{100 * mean.share:.2f}"]
    assert f"{100 * mean.delta:+.2f} {100 * mean.share:.2f}" in fg


def test_gains_are_green_losses_red_and_the_best_bold(summary: Summary) -> None:
    lines = printed(table(summary), 200, colours=True).splitlines()
    best = next(score for score in summary.mean if score.micro.best)
    gain = next(line for line in lines if line.startswith(best.method))
    loss = next(line for line in lines if line.startswith("bg_shape"))
    assert "\x1b[32m+" in gain
    assert "\x1b[31m-" in loss
    assert gain.endswith(f" \x1b[1m{100 * best.micro.share:.2f}\x1b[0m")


@pytest.mark.parametrize("width", [1, 12, 40, 60, 80, 100, 200])
def test_a_narrow_terminal_shows_every_part_below_one_another(summary: Summary, width: int) -> None:
    text = printed(report(summary), width)
    assert all(cell_len(line) <= max(width, 2) for line in text.splitlines())
    if width >= 40:
        for part in ("natural", "mixed_same", "mixed_rand", "mean"):
            assert len(re.findall(rf"^.*\b{part}\b.*\n─+$", text, re.MULTILINE)) == 1


def test_other_measures_stand_below(summary: Summary) -> None:
    text = printed(details(summary), 300)
    for head in ("accuracy, %", "macro, %", "against full", "calibration error", "background gap", "none answered, %"):
        assert head in text
    assert "fooled" not in text  # no part for it


def test_markdown_has_the_same_table(summary: Summary) -> None:
    head, rule, *rows = markdown(summary, "macro").splitlines()
    assert head == "|  | natural | mixed_same | mixed_rand | a part \\[bold\\] | 犬と猫 | mean |"
    assert rule == "|---|---:|---:|---:|---:|---:|---:|"
    assert rows[0] == "| full | " + " | ".join(f"{100 * part.scores[0].macro.share:.2f}" for part in summary.measured_parts) + f" | {100 * summary.mean[0].macro.share:.2f} |"  # fmt: skip  # noqa: E501
    best = next(score for score in summary.mean if score.macro.best).macro
    assert f"| **{100 * best.share:.2f}** ({100 * best.delta:+.2f}) |" in "\n".join(rows)
    assert rows[-2] == "| pictures | 30 | 30 | 30 | 30 | 30 |  |"
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 8 for row in rows)


def test_one_part_needs_no_mean(tmp_path: Path) -> None:
    answers = {"full": [("cat", 0.9)], "fg": [("dog", 0.9)]}
    found = summarize(made([Labelled(tmp_path / "a.jpg", "cat", "a|b<i>")], ("cat", "dog"), answers), resamples=5)
    assert markdown(found).splitlines() == [
        "|  | a\\|b\\<i\\> |",
        "|---|---:|",
        "| full | **100.00** |",
        "| fg | 0.00 (-100.00) |",
        "| pictures | 1 |",
        "| only full, % | 0.0 |",
    ]


def test_no_difference_has_no_minus(tmp_path: Path) -> None:
    evaluation = drawn(tmp_path, ["all"], ("cat", "dog"), {"full": 1.0, "fg": 1.0})
    assert "-0.0" not in markdown(summarize(evaluation, resamples=5))
