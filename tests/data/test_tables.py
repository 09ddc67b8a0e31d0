"""CSV and TSV against the csv module, and tables that are none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from engine.errors import Problem
from tests.data.reading import read_bytes, shape_file

ROWS = [
    {"instruction": 'He said "hi", twice', "output": "line one\nline two"},
    {"instruction": "=cmd|' /C calc'!A0", "output": "007"},
    {"instruction": "ünïcode; tab\there", "output": "1e999"},
    {"instruction": "NaN", "output": "true"},
]


def table(rows: list[dict[str, str]], **how: object) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), **how)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@pytest.mark.parametrize(
    ("delimiter", "container", "notes"),
    [(",", "csv", 0), (";", "csv", 1), ("\t", "tsv", 0), ("|", "csv", 1)],
)
@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.txt"])
def test_every_value_stays_text(
    tmp_path: Path, delimiter: str, container: str, notes: int, name: str
) -> None:
    found = read_bytes(tmp_path, table(ROWS, delimiter=delimiter), name)
    assert found.values == ROWS
    assert found.container == container
    assert len(found.notes) == notes


def test_the_lines_of_records_count_line_ends_inside_fields(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, table(ROWS), "data.csv")
    assert [record.line for record in found.records] == [2, 4, 5, 6]
    assert [record.number for record in found.records] == [1, 2, 3, 4]


def test_byte_order_mark_and_a_pandas_index_column(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + b",instruction,output\r\n0,a,b\r\n1,c,d\r\n"
    found = read_bytes(tmp_path, content, "data.csv")
    assert found.values == [
        {"instruction": "a", "output": "b"},
        {"instruction": "c", "output": "d"},
    ]


def test_ragged_rows_are_faults_with_their_line(tmp_path: Path) -> None:
    content = b'instruction,output\na,b\n"two\nlines",b\nc\nd,e,f\n\ng,h\n'
    found = read_bytes(tmp_path, content, "data.csv")
    assert found.places == [(5, 1, "csv"), (6, 1, "csv")]
    assert "1 field, the header 2" in found.faults[0].what
    assert "3 fields, the header 2" in found.faults[1].what
    assert [record.line for record in found.records] == [2, 3, 8]


def test_an_unclosed_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    content = b'instruction,output\na,b\n"never closed,b\nc,d\ne,f\n'
    found = read_bytes(tmp_path, content, "data.csv")
    assert found.places == [(3, 1, "csv")]
    assert "never closed" in found.faults[0].what
    assert [record.value["instruction"] for record in found.records] == ["a", "c", "e"]
    assert [record.line for record in found.records] == [2, 4, 5]


def test_text_behind_a_closing_quote(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b'instruction,output\n"a"b,c\nd,e\n', "data.csv")
    assert [(f.line, f.code) for f in found.faults] == [(2, "csv")]
    assert [record.value["instruction"] for record in found.records] == ["d"]


def test_a_field_larger_than_the_csv_modules_limit(tmp_path: Path) -> None:
    rows = [{"instruction": "x" * 200_000, "output": "y\n" * 100_000}]
    assert read_bytes(tmp_path, table(rows), "data.csv").values == rows


def test_a_zero_character_is_a_fault(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"instruction,output\na,b\0c\nd,e\n", "data.csv")
    assert found.places == [(2, 3, "characters")]
    assert len(found.records) == 1


def test_latin_1_costs_the_rows_that_hold_it(tmp_path: Path) -> None:
    content = "instruction,output\ncafé,b\nc,d\n".encode("latin-1")
    found = read_bytes(tmp_path, content, "data.csv")
    assert found.places == [(2, 4, "encoding")]
    assert f"offset {content.index(0xE9)} " in found.faults[0].what
    assert [record.value["instruction"] for record in found.records] == ["c"]


def test_a_header_that_names_a_column_twice(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r'data\.csv:1:15: two columns are named "output"'):
        read_bytes(tmp_path, b"output,prompt,output\na,b,c\n", "data.csv")


def test_a_missing_header_is_told_from_its_fields(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("What is 1 + 1?,2\nWhat is 2 + 2?,4\n")
    with pytest.raises(Problem, match="first line") as problem:
        shape_file(tmp_path / "data.csv")
    assert "What is 1 + 1?" in str(problem.value)


def test_messages_in_cells_are_read_as_json(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [{"messages": json.dumps(turns)}, {"messages": "[broken"}, {"messages": "12"}]
    rows.append({"messages": r'[{"role": "user", "content": "\ud800"}]'})
    (tmp_path / "data.csv").write_bytes(table([{**row, "id": "1"} for row in rows]))
    shaped, log = shape_file(tmp_path / "data.csv")
    assert shaped.format == "messages"
    assert [[m.content for m in row.messages] for row in shaped.rows] == [["a", "b"]]
    assert [(fault.line, fault.code) for fault in log.faults] == [
        (3, "json"),
        (4, "type"),
        (5, "characters"),
    ]


def test_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("instruction,output\n")
    shaped, _ = shape_file(tmp_path / "data.csv")
    assert shaped.rows == []
