"""JSON documents read piece by piece: the same records, faults and places whatever the pieces are,
in little memory whatever the size."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from engine.data.containers import json_columns, json_document, json_value, json_window
from engine.data.read import open_source
from engine.errors import Problem
from tests.data.reading import Read, alpaca, read, read_bytes

ROWS = [*alpaca(5, note='é漢😀 {[ \\" ]}\n'), {"instruction": "", "output": [{}, [1.5, None]]}]
LIST = json.dumps(ROWS, ensure_ascii=False, indent=1)
DOCUMENTS = {
    "list": LIST,
    "one line": json.dumps(ROWS),
    "before and after": f'{{"a": {{"b": [1, "]"]}}, "data": {LIST}, "end": -1.5, "c": [], "d": "x"}}',
    "first": f'{{"rows": {LIST}, "meta": {{"data": [1, 2]}}}}',
    "stream": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "columns": json.dumps({k: {str(n): r.get(k) for n, r in enumerate(ROWS)} for k in ROWS[0]}),
    "lists": json.dumps({k: [r.get(k) for r in ROWS] for k in ROWS[0]}, indent=1),
    "by index": json.dumps({str(n): row for n, row in enumerate(ROWS)}),
}


def in_pieces(monkeypatch: pytest.MonkeyPatch, size: int, most: int | None = None) -> None:
    for module in (json_window, json_value, json_document):
        monkeypatch.setattr(module, "CHUNK", size)
    for module in (json_value, json_document):
        monkeypatch.setattr(module, "MAX_BYTES", most or json_value.MAX_BYTES)


def shown(found: Read) -> list[Any]:
    return [found.records, found.faults]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_records_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rows = ROWS
    if name in ("columns", "lists"):
        rows = [{"instruction": "", "output": None, "note": None} | row for row in ROWS]
    raw = DOCUMENTS[name].encode()
    whole = read_bytes(tmp_path, raw, "data.json")
    assert (whole.values, whole.faults) == (rows, [])
    for size in (1, 2, 3, 7, 50):
        in_pieces(monkeypatch, size)
        assert shown(read(tmp_path / "data.json")) == shown(whole)


@pytest.mark.parametrize("name", ["list", "before and after", "first", "by index"])
def test_a_document_beyond_what_is_held_is_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = read_bytes(tmp_path, DOCUMENTS[name].encode(), "data.json")
    in_pieces(monkeypatch, 16, most=200)
    assert shown(read(tmp_path / "data.json")) == shown(whole)


def test_damage_is_at_the_same_place_whatever_the_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = random.Random(3)
    pieces = [b"", b'"', b"\\", b"}", b"[", b",", b"NaN", b"\xe9", b"\\ud800", b"1e999", b"\n"]
    for _ in range(150):
        raw = DOCUMENTS[choose.choice(["list", "one line", "before and after", "stream"])].encode()
        at = choose.randrange(1, len(raw))
        raw = raw[:at] + choose.choice(pieces) + raw[at + choose.choice([0, 1, 3]) :]
        monkeypatch.undo()
        try:
            whole = shown(read_bytes(tmp_path, raw, "data.json"))
        except Problem:
            continue
        in_pieces(monkeypatch, choose.choice([1, 3, 11]))
        assert shown(read(tmp_path / "data.json")) == whole, raw


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('[{"a": "b"}] x', 14, "more follows after the records' end"),
        ('[{"a": "b"}]\n[{"a": "c"}]', 1, "more follows after the records' end"),
        ('{"data": [{"a": "b"}], "n": }', 29, "expected a name, a colon and a value"),
        ('{"data": [{"a": "b"}] "n": 1}', 23, "expected a comma or the object's end"),
        ('{"data": [{"a": "b"}], "n": 1', 30, "ends inside a record"),
        ('{"data": [{"a": "b"}], "n": [1, 2', 34, "ends inside a record"),
    ],
)
def test_what_comes_behind_the_list_is_looked_at(
    tmp_path: Path, text: str, column: int, words: str
) -> None:
    found = read_bytes(tmp_path, text.encode(), "data.json")
    assert found.values == [{"a": "b"}]
    (fault,) = found.faults
    assert fault.column == column
    assert words in fault.what


def test_a_second_list_behind_the_first_of_a_large_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps({"train": ROWS, "n": 1, "test": ROWS}))
    in_pieces(monkeypatch, 16, most=200)
    with pytest.raises(Problem, match=r"several lists \(train, test\)"):
        read(path)


def test_a_record_beyond_the_limit_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"instruction": 'x\\"]}' * 100, "output": [{"a": "b"}] * 50}
    path = tmp_path / "data.json"
    path.write_text(json.dumps([ROWS[0], large, ROWS[1]], indent=1))
    in_pieces(monkeypatch, 16, most=300)
    found = read(path)
    assert found.values == ROWS[:2]
    assert [(fault.line, fault.code) for fault in found.faults] == [(7, "too_long")]
    assert (
        found.records[1].line
        == 1 + path.read_text().split('"What is 1 plus 1?"')[0].count("\n") - 1
    )


def test_an_object_beyond_the_limit_without_a_list_is_one_record_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces(monkeypatch, 16, most=100)
    found = read_bytes(
        tmp_path, json.dumps({"a": "x" * 300, "b": 1}, indent=1).encode(), "data.json"
    )
    assert [(fault.number, fault.code) for fault in found.faults] == [(1, "too_long")]


def test_a_table_beyond_the_limit_says_how_to_write_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces(monkeypatch, 64, most=100)
    monkeypatch.setattr(json_columns, "LARGEST", 500)
    with pytest.raises(Problem, match='orient="records"'):
        read_bytes(tmp_path, DOCUMENTS["columns"].encode(), "data.json")


def test_a_column_that_lacks_an_index_is_null_there(tmp_path: Path) -> None:
    tree = {"instruction": {"0": "a", "1": "b"}, "output": {"0": "c"}}
    found = read_bytes(tmp_path, json.dumps(tree).encode(), "data.json")
    assert found.values == [
        {"instruction": "a", "output": "c"},
        {"instruction": "b", "output": None},
    ]
    assert [record.column for record in found.records] == [23, 33]


@pytest.mark.parametrize("begin", ["[", '{"version": "1", "data": ['])
def test_a_large_document_takes_little_memory(tmp_path: Path, begin: str) -> None:
    path = tmp_path / "data.json"
    row = json.dumps({"instruction": "x" * 400, "output": "y" * 400}) + ",\n"
    with path.open("w") as file:
        file.write(begin + "\n")
        for _ in range(50):
            file.write(row * 1500)
        file.write(row[:-2] + ("]" if begin == "[" else '], "end": 1}'))
    told: list[int] = []
    tracemalloc.start()
    try:
        with open_source(str(path), lambda done, total: told.append(done)) as reading:
            count = sum(1 for _ in reading)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 75_001
    assert path.stat().st_size > 50 * 2**20
    assert peak < (16 if begin == "[" else 48) * 2**20
    assert told == sorted(told)
    assert told[-1] == path.stat().st_size
