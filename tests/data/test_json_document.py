"""JSON documents: lists, objects that hold one, objects one after another, and damage inside
them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import Problem
from tests.data.reading import alpaca, read_bytes

ROWS = alpaca(5, note="é {[")


@pytest.mark.parametrize("name", ["data.json", "data.jsonl", "data.txt", "data"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_is_found_whatever_the_ending(tmp_path: Path, name: str, indent: int | None) -> None:
    found = read_bytes(tmp_path, json.dumps(ROWS, indent=indent).encode(), name)
    assert found.values == ROWS
    assert found.container == "json"


def test_lines_are_found_inside_json(tmp_path: Path) -> None:
    content = "\n".join(json.dumps(row) for row in ROWS).encode()
    found = read_bytes(tmp_path, content, "data.json")
    assert (found.container, found.values) == ("jsonl", ROWS)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_that_holds_one_list(tmp_path: Path, indent: int | None) -> None:
    tree = {"version": 2, "tags": ["a", "b"], "data": ROWS, "end": None}
    found = read_bytes(tmp_path, json.dumps(tree, indent=indent).encode(), "data.json")
    assert found.values == ROWS


@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_row_with_its_messages_is_a_row(tmp_path: Path, indent: int | None) -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert read_bytes(tmp_path, json.dumps(row, indent=indent).encode(), "a.json").values == [row]


def test_objects_over_many_lines_one_after_another(tmp_path: Path) -> None:
    content = "\n".join(json.dumps(row, indent=4) for row in ROWS).encode()
    found = read_bytes(tmp_path, content)
    assert found.values == ROWS
    assert [record.line for record in found.records] == [1, 6, 11, 16, 21]


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ({"train": ROWS, "test": ROWS}, r"train, test"),
        ({"instruction": ["a", "b"], "output": ["c"]}, r"instruction: 2, output: 1"),
    ],
)
def test_an_object_of_several_lists_is_refused_by_name(
    tmp_path: Path, tree: object, names: str
) -> None:
    with pytest.raises(Problem, match=rf"several lists \({names}\)"):
        read_bytes(tmp_path, json.dumps(tree, indent=1).encode(), "data.json")


def test_a_bad_element_is_a_fault_and_the_others_are_read(tmp_path: Path) -> None:
    lines = json.dumps(ROWS, indent=2).split("\n")
    broken = list(lines)
    broken[7] = broken[7].removesuffix(",")  # "instruction" of the second record
    text = "\n".join(broken)
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    found = read_bytes(tmp_path, text.encode(), "data.json")
    assert found.places == [(expected.value.lineno, expected.value.colno, "json")]
    assert [record.number for record in found.records] == [1, 3, 4, 5]
    assert found.values == [ROWS[0], *ROWS[2:]]


def test_a_value_json_lets_through_is_a_fault_at_its_place(tmp_path: Path) -> None:
    text = json.dumps(ROWS, indent=2).replace('"It is 4."', "NaN")
    line = 1 + text[: text.index("NaN")].count("\n")
    column = text.index("NaN") - text.rindex("\n", 0, text.index("NaN"))
    found = read_bytes(tmp_path, text.encode(), "data.json")
    assert found.places == [(line, column, "number")]
    assert len(found.records) == 4


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_cut_anywhere_says_so_and_keeps_what_is_whole(
    tmp_path: Path, indent: int | None
) -> None:
    whole = json.dumps(ROWS, indent=indent)
    ends = [len(json.dumps(ROWS[:n], indent=indent).rstrip("]\n ")) for n in range(1, 6)]
    for cut in range(2, len(whole) - 1, 5):
        if not whole[:cut].strip("[ \n"):
            continue
        found = read_bytes(tmp_path, whole[:cut].encode(), "data.json")
        assert len(found.records) == sum(end <= cut for end in ends)
        assert [fault.code for fault in found.faults] == ["torn"]


def test_a_byte_that_is_not_utf8_costs_one_record(tmp_path: Path) -> None:
    raw = json.dumps(ROWS, indent=2, ensure_ascii=False).encode()
    at = raw.index("é".encode(), raw.index("é".encode()) + 1)
    raw = raw[:at] + b"\xe9" + raw[at + 2 :]
    found = read_bytes(tmp_path, raw, "data.json")
    (fault,) = found.faults
    assert fault.code == "encoding"
    assert f"offset {at} " in fault.what
    assert fault.line == raw[:at].count(b"\n") + 1
    assert fault.column == at - raw.rindex(b"\n", 0, at)
    assert [record.number for record in found.records] == [1, 3, 4, 5]


def test_a_long_document_on_one_line_is_read_in_time(tmp_path: Path) -> None:
    rows = alpaca(20_000)
    found = read_bytes(tmp_path, json.dumps(rows).encode(), "data.json")
    assert len(found.records) == 20_000
    assert found.records[-1].line == 1


def test_the_place_of_a_value_inside_a_record(tmp_path: Path) -> None:
    tree = [{"messages": [{"role": "user", "content": "é"}, {"role": "robot", "content": "x"}]}]
    text = json.dumps(tree, indent=2, ensure_ascii=False)
    at = text.index('"robot"')
    (record,) = read_bytes(tmp_path, text.encode(), "data.json").records
    line, column = record.place(("messages", 1, "role"))
    assert line == text[:at].count("\n") + 1
    assert column == at - text.rindex("\n", 0, at)
