from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.errors import BadRequest
from service.evaluation.labelled import Accuracy, markdown, read_labelled


def test_rows_have_a_collection_a_part_and_all_right_answers(tmp_path: Path) -> None:
    table = tmp_path / "pictures.csv"
    table.write_text(
        "path,part,label,accept\nnatural/a.jpg,natural,cat,kitten|tabby;mog\nb.jpg,,dog,\n", encoding="utf-8"
    )
    first, second = read_labelled(table)
    assert (first.path, first.collection, first.part) == (tmp_path / "natural/a.jpg", "natural", "natural")
    assert first.accepted == {"cat", "kitten", "tabby", "mog"}
    assert (second.collection, second.part, second.accepted) == ("", "all", {"dog"})


@pytest.mark.parametrize("text", ["", "path,label\n", "path\na.jpg\n"])
def test_a_table_without_rows_or_columns_is_refused(tmp_path: Path, text: str) -> None:
    table = tmp_path / "pictures.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(BadRequest, match="no rows or no column"):
        read_labelled(table)


def test_figures_are_a_markdown_table() -> None:
    rows = markdown({"natural": Accuracy(4, 2, 0.5, 0.75, 1.0, 0.0)}).splitlines()
    assert rows[2] == "| natural | 4 | 2 | 0.500 | 0.750 | 1.000 | 0.000 |"


def test_photographs_are_measured_part_by_part(
    tmp_path: Path, models_cache: Path, photographs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))
    lines = ["path,part,label,accept"]
    for name, part, label in (
        ("chelsea", "pets", "cat"),
        ("rocket", "things", "rocket"),
        ("coffee", "things", "cup of coffee"),
    ):
        (tmp_path / f"{name}.jpg").write_bytes(photographs[name])
        lines.append(f"{name}.jpg,{part},{label},")
    table = tmp_path / "pictures.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    card = tmp_path / "CARD.md"
    card.write_text("# Card\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["evaluate", str(table), "--card", str(card)], catch_exceptions=False)
    assert "| pets | 1 | 3 | 1.000 | 1.000 | 1.000 | 0.000 |" in result.stdout
    assert "| things | 2 | 3 | 1.000 | 1.000 | 1.000 | 0.000 |" in result.stdout
    assert "| pets | 1 |" in card.read_text(encoding="utf-8")
