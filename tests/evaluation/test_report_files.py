import csv
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from made_evaluation import drawn, made

from service.evaluation.labelled import Labelled
from service.evaluation.report.files import CSV_COLUMNS, write_answers, write_csv, write_json
from service.evaluation.report.summary import summarize
from service.evaluation.results import Evaluation

METHODS = {"full": 0.6, "fg": 0.7, "max_confidence": 0.75}


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    return drawn(tmp_path, ["natural", 'a "part", really'], ("cat", "dog;é", "owl"), METHODS, none=4)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_json_holds_the_whole_summary(tmp_path: Path, evaluation: Evaluation) -> None:
    summary = summarize(evaluation, resamples=20)
    write_json(summary, tmp_path / "summary.json")
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert found == json.loads(json.dumps(asdict(summary)))
    assert found["together"]["scores"][0]["micro"]["share"] == summary.together.scores[0].micro.share
    assert [part["name"] for part in found["parts"]] == [part.name for part in summary.parts]


def test_csv_has_a_row_for_each_part_and_method(tmp_path: Path, evaluation: Evaluation) -> None:
    summary = summarize(evaluation, resamples=20)
    write_csv(summary, tmp_path / "summary.csv")
    rows = read(tmp_path / "summary.csv")
    assert tuple(rows[0]) == CSV_COLUMNS
    wanted = [
        (scope, name, score)
        for scope, name, scores in (
            *(("part", part.name, part.scores) for part in summary.parts),
            ("together", "all parts", summary.together.scores),
            ("mean", "", summary.mean),
        )
        for score in scores
    ]
    assert len(rows) == len(wanted) == 12
    for row, (scope, name, score) in zip(rows, wanted, strict=True):
        assert (row["scope"], row["part"], row["method"], row["kind"]) == (scope, name, score.method, score.kind)
        assert float(row["micro"]) == score.micro.share
        assert float(row["macro_delta_high"]) == score.macro.delta_high
        assert row["micro_best"] == str(score.micro.best).lower()
        assert float(row["ece"]) == score.ece
    assert (rows[0]["n"], rows[0]["none"], float(rows[0]["fallback"])) == ("30", "0", summary.parts[0].fallback)


def test_every_picture_has_a_row_of_answers(tmp_path: Path, evaluation: Evaluation) -> None:
    write_answers(evaluation, tmp_path / "answers.csv")
    rows = read(tmp_path / "answers.csv")
    for place, (row, picture) in enumerate(zip(rows, evaluation.pictures, strict=True)):
        assert (row["path"], row["part"], row["label"]) == (picture.path.as_posix(), picture.part, picture.label)
        assert row["fallback"] == (evaluation.fallbacks[place] or "")
        for answers in evaluation.answers:
            assert row[answers.method] == evaluation.labels[answers.predicted[place]]
            assert float(row[f"{answers.method}_confidence"]) == pytest.approx(answers.confidence[place], abs=1e-6)
            right = str(row[answers.method] == picture.label).lower()
            assert row[f"{answers.method}_right"] == (right if picture.label else "")


def test_names_that_are_no_text_are_written_all_the_same(tmp_path: Path) -> None:
    strange = "caf\udce9"
    evaluation = made([Labelled(tmp_path / strange, "cat", strange)], ("cat", "dog"), {"full": [("cat", 0.9)]})
    summary = summarize(evaluation, resamples=5)
    write_json(summary, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_bytes())["parts"][0]["name"] == strange
    write_csv(summary, tmp_path / "summary.csv")
    assert read(tmp_path / "summary.csv")[0]["part"] == strange
    write_answers(evaluation, tmp_path / "answers.csv")
    assert read(tmp_path / "answers.csv")[0]["path"].endswith(strange)
