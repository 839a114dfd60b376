"""Tables and folder trees of labelled pictures."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequest
from service.evaluation.labelled import Labelled, read_labelled
from service.recognition.boxes import Box


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_names_each_picture_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    table = write(
        tmp_path / "pictures.csv",
        "path,label,part,accept,source,x0,y0,x1,y1,mask,metadata\n"
        'natural/a.jpg,cat,natural,kitten|tabby; mog,object 1,1,2,30.5,40,a.png,"{""month"": 7, ""wild"": true}"\n'
        "b.jpg,dog,,,,,,,,,\n"
        "c.jpg,,,,,1,2,,,,\n",
    )
    first, second, third = read_labelled(table)
    assert first == Labelled(
        tmp_path / "natural/a.jpg",
        "cat",
        "natural",
        frozenset({"cat", "kitten", "tabby", "mog"}),
        "object 1",
        Box(1, 2, 30.5, 40),
        tmp_path / "a.png",
        {"month": "7", "wild": "true"},
    )
    assert second == Labelled(tmp_path / "b.jpg", "dog")
    assert second.accepted == {"dog"}
    assert (third.label, third.accepted, third.box) == ("", frozenset(), None)


def test_a_table_from_a_spreadsheet_is_read_too(tmp_path: Path) -> None:
    table = tmp_path / "pictures.csv"
    table.write_bytes("\ufeffpath,label\r\na.jpg,  red   squirrel \r\n/absolute/b.jpg,caf\u0065\u0301\r\n".encode())
    first, second = read_labelled(table)
    assert (first.path, first.label) == (tmp_path / "a.jpg", "red squirrel")
    assert (second.path, second.label) == (Path("/absolute/b.jpg"), "caf\u00e9")  # as datasets spell it


@pytest.mark.parametrize("text", ["", "path,label\n", "path\na.jpg\n", "label\ncat\n"])
def test_a_table_without_rows_or_columns_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match="no rows or no column"):
        read_labelled(write(tmp_path / "pictures.csv", text))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",cat,,,,,", "no path"),
        ("a.jpg,cat,5,5,1,9,", "positive width"),
        ("a.jpg,cat,1,1,nan,9,", "finite edges"),
        ("a.jpg,cat,one,1,5,9,", "could not convert"),
        ("a.jpg,cat,,,,,{", "JSON object"),
        ("a.jpg,cat,,,,,[1]", "JSON object"),
        ("a.jpg,cat,,,,,7", "JSON object"),
        ('a.jpg,cat,,,,,"{""month"": [7]}"', "plain facts"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named(tmp_path: Path, row: str, words: str) -> None:
    table = write(tmp_path / "pictures.csv", f"path,label,x0,y0,x1,y1,metadata\nb.jpg,dog,,,,,\n{row}\n")
    with pytest.raises(BadRequest, match=rf"pictures\.csv, row 2: .*{words}"):
        read_labelled(table)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "pictures.csv"
    table.write_bytes(b"path,label\n\xff\xfe,cat\n")
    with pytest.raises(BadRequest, match="cannot be read"):
        read_labelled(table)
    with pytest.raises(BadRequest, match="cannot be read"):
        read_labelled(write(tmp_path / "long.csv", "path,label\na.jpg," + "x" * 200_000))
    with pytest.raises(BadRequest, match="cannot be read"):
        read_labelled(write(tmp_path / "pictures.parquet", "no parquet"))
    with pytest.raises(BadRequest, match="cannot be read"):
        read_labelled(tmp_path / "nothing.csv")


def test_a_parquet_table_is_read_as_a_csv_table(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns: dict[str, Any] = {
        "path": ["a.jpg", "b.jpg", "c.jpg"],
        "label": ["cat", "", None],
        "part": ["natural", None, ""],
        "x0": [1.0, None, None],
        "y0": [2, None, 3],
        "x1": [3.5, None, None],
        "y1": [4, None, None],
        "metadata": [{"month": 7, "wild": True}, {"month": None, "wild": False}, None],
    }
    parquet.write_table(pa.table(columns), tmp_path / "pictures.parquet")
    assert read_labelled(tmp_path / "pictures.parquet") == [
        Labelled(tmp_path / "a.jpg", "cat", "natural", box=Box(1, 2, 3.5, 4), metadata={"month": "7", "wild": "true"}),
        Labelled(tmp_path / "b.jpg", "", metadata={"wild": "false"}),
        Labelled(tmp_path / "c.jpg", ""),
    ]


def test_labels_of_a_parquet_table_may_be_numbers_and_metadata_a_map(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "path": ["a.jpg", "b.jpg"],
        "label": [0, 1],
        "metadata": pa.array([[("month", "7")], []], pa.map_(pa.string(), pa.string())),
    }
    parquet.write_table(pa.table(columns), tmp_path / "pictures.parquet")
    first, second = read_labelled(tmp_path / "pictures.parquet")
    assert [(first.label, first.metadata), (second.label, second.metadata)] == [("0", {"month": "7"}), ("1", {})]


def test_in_a_folder_tree_the_folder_is_the_label_and_those_above_are_the_part(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "café")
    names = ("cat/b.JPG", "cat/a.png", "val/hard/dog/c.webp", f"{decomposed}/d.tiff", "cat/notes.txt", "loose.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "cat" / "folder.jpg").mkdir()
    found = read_labelled(tmp_path)
    assert [(str(picture.path.relative_to(tmp_path)), picture.label, picture.part) for picture in found] == [
        (f"{decomposed}/d.tiff", "café", "all"),
        ("cat/a.png", "cat", "all"),
        ("cat/b.JPG", "cat", "all"),
        ("val/hard/dog/c.webp", "dog", "val/hard"),
    ]


def test_a_folder_without_labelled_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loose.jpg").touch()
    with pytest.raises(BadRequest, match="no pictures in folders"):
        read_labelled(tmp_path)


@given(st.text(max_size=5), st.frozensets(st.text(max_size=5)))
def test_the_label_is_always_a_right_answer_and_no_label_never(label: str, accepted: frozenset[str]) -> None:
    picture = Labelled(Path("a.jpg"), label, accepted=accepted)
    assert picture.accepted - accepted <= {label}
    assert (label in picture.accepted) or not label
