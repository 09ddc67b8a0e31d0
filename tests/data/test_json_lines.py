"""JSON Lines against the json module of the standard library, and the faults it does not name."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.data.reading import read_bytes

GOOD = '{"instruction": "a", "output": "b"}'


def test_values_are_those_of_the_json_module(tmp_path: Path) -> None:
    values = [
        {"text": 'quote " backslash \\ newline \n tab \t é 漢字 😀', "n": -1.5e3, "i": 2**63},
        {"list": [1, [2, {"deep": None}]], "true": True, "empty": {}},
        {"emoji": "\U0001f600"},
    ]
    lines = [
        json.dumps(values[0]),
        json.dumps(values[1], ensure_ascii=False),
        json.dumps(values[2]),
    ]
    found = read_bytes(tmp_path, "\n".join(lines).encode())
    assert found.values == values
    assert found.faults == []
    assert found.container == "jsonl"


@pytest.mark.parametrize(
    "bad",
    [
        '{"a": 1,}',
        '{"a" 1}',
        "{'a': 1}",
        '{"a": tru}',
        '{"a": "x" "b": 2}',
        '{"ä": "öü", "b" 3}',
        '  {"a": [1, 2,, 3]}',
        '{"a": 01}',
        '{"a": "tab\there"}',
        '{"a": "\\x"}',
        '{"a": 1} trailing',
    ],
)
def test_the_column_of_bad_json_is_the_parsers(tmp_path: Path, bad: str) -> None:
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(bad)
    found = read_bytes(tmp_path, f"{GOOD}\n{GOOD}\n{bad}\n{GOOD}\n".encode())
    assert found.places == [(3, expected.value.pos + 1, "json")]
    assert [record.number for record in found.records] == [1, 2, 4]
    assert [record.line for record in found.records] == [1, 2, 4]


def test_a_fault_reads_file_line_column_what_fix(tmp_path: Path) -> None:
    (fault,) = read_bytes(tmp_path, f"{GOOD}\n{{oops\n".encode()).faults
    place, _, rest = str(fault).partition(": ")
    assert place == f"{tmp_path / 'data.jsonl'}:2:2"
    assert ". Fix: " in rest
    assert rest.endswith(".")


@pytest.mark.parametrize(
    ("bad", "column", "code"),
    [
        ('{"a": NaN}', 7, "number"),
        ('{"a": [1, -Infinity]}', 11, "number"),
        ('{"a": 1e999}', 7, "number"),
        ('{"a": ' + "9" * 25 + "}", 7, "number"),
        ('{"a": ' + "9" * 5000 + "}", 7, "number"),
        (r'{"a": "x\ud800y"}', 9, "characters"),
        (r'{"a": "x\\\udc00"}', 11, "characters"),
        (r'{"a": "\ud83d\ude00 \u0000"}', 21, "characters"),
        ('{"a": 1, "b": 2, "a": 3}', 18, "duplicate_key"),
        ('{"a": ' + "[" * 80 + "]" * 80 + "}", 70, "nesting"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", 70, "nesting"),
        ('{"a": ' + '{"a":' * 70 + "1" + "}" * 70 + "}", 322, "nesting"),
        ("42", 1, "shape"),
        ('["a"]', 1, "shape"),
        ("null", 1, "shape"),
    ],
)
def test_what_json_lets_through_is_refused(
    tmp_path: Path, bad: str, column: int, code: str
) -> None:
    found = read_bytes(tmp_path, f"{GOOD}\n{bad}\n{GOOD}\n".encode())
    assert found.places == [(2, column, code)]
    assert len(found.records) == 2


def test_nesting_of_64_is_taken(tmp_path: Path) -> None:
    deep = '{"a": ' + "[" * 63 + "]" * 63 + "}"
    assert read_bytes(tmp_path, deep.encode()).faults == []


def test_brackets_inside_text_are_no_nesting(tmp_path: Path) -> None:
    line = json.dumps({"a": "[" * 1000 + "{" * 1000, "b": "\\" * 7 + '"' + "]"})
    assert read_bytes(tmp_path, line.encode()).values == [json.loads(line)]


@pytest.mark.parametrize("cut", range(3, len(GOOD)))
def test_a_file_cut_inside_its_last_record(tmp_path: Path, cut: int) -> None:
    found = read_bytes(tmp_path, f"{GOOD}\n{GOOD[:cut]}".encode())
    assert [(f.line, f.code) for f in found.faults] == [(2, "torn")]
    assert "(line 2)" in found.faults[0].what
    assert len(found.records) == 1


def test_byte_order_mark_crlf_blank_lines_and_no_final_newline(tmp_path: Path) -> None:
    plain = read_bytes(tmp_path, f"{GOOD}\n{GOOD}\n".encode())
    dressed = read_bytes(tmp_path, b"\xef\xbb\xbf" + f"\r\n{GOOD}\r\n\r\n  \r\n{GOOD}".encode())
    assert dressed.values == plain.values
    assert dressed.faults == []
    assert [record.line for record in dressed.records] == [2, 5]
    assert [record.number for record in dressed.records] == [1, 2]


def test_a_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    bad = '{"a": "ä café"}'.encode().replace("é".encode(), b"\xe9")
    content = f"{GOOD}\n".encode() + bad + f"\n{GOOD}\n".encode()
    found = read_bytes(tmp_path, content)
    (fault,) = found.faults
    assert (fault.line, fault.column, fault.code) == (2, 13, "encoding")
    assert "E9" in fault.what
    assert f"offset {content.index(0xE9)} " in fault.what
    assert '"é"' in fault.what
    assert len(found.records) == 2


def test_a_line_of_more_than_16_mb_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    long = b'{"a": "' + b"x" * (17 * 2**20) + b'"}\n'
    found = read_bytes(tmp_path, f"{GOOD}\n".encode() + long + f"{GOOD}\n".encode())
    assert found.places == [(2, 1, "too_long")]
    assert [record.line for record in found.records] == [1, 3]


def test_hostile_text_is_kept_byte_for_byte(tmp_path: Path) -> None:
    text = "\x1b]52;c;aGk=\x07\x1b[2J\x9b\u202e\u200b\ufeff[/][@click=app.exit]x\r\b=cmd|' /C'!A0"
    found = read_bytes(tmp_path, json.dumps({"instruction": text, "output": text}).encode())
    assert found.values[0]["output"] == text


def test_random_values_come_back_as_the_json_module_reads_them(tmp_path: Path) -> None:
    random_ = random.Random(7)

    def value(depth: int) -> object:
        kind = random_.randrange(7 if depth < 4 else 5)
        letters = 'aé漢😀"\\\n\t\x1f /u0{}[],:'
        if kind == 0:
            return "".join(random_.choice(letters) for _ in range(random_.randrange(12)))
        if kind < 5:
            return [None, True, random_.randrange(-(10**6), 10**6), random_.random() * 1e9][
                kind - 1
            ]
        if kind == 5:
            return [value(depth + 1) for _ in range(random_.randrange(4))]
        return {f"k{n}é": value(depth + 1) for n in range(random_.randrange(4))}

    values = [{"v": value(0)} for _ in range(400)]
    lines = [json.dumps(v, ensure_ascii=n % 2 == 0) for n, v in enumerate(values)]
    assert read_bytes(tmp_path, "\n".join(lines).encode()).values == values
