"""What a person is told of bad input, word for word: where it is, what is wrong, and how to mend it.

In the order of a list of faults: JSON, encodings, containers, values, names, sizes, conversations,
lengths, copies, tables, columns, files, and what is too little.
"""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data.dataset import Dataset
from engine.data.opening import open_data
from engine.data.summary import summary
from engine.errors import Problem
from engine.text import clean
from tests.data.reading import alpaca
from tests.tiny import tiny_tokenizer

LINES = [json.dumps(row) for row in alpaca(6)]
GOOD = "\n".join(LINES) + "\n"
USER, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
ACCEPTED = "JSON Lines, JSON, CSV, TSV, Parquet, Arrow or plain text"

Open = Callable[..., Dataset]
Told = Callable[..., str]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """The data in a file of these contents; keywords are knobs of the section data."""
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def open_(name: str, content: bytes | str | None = None, **knobs: Any) -> Dataset:
        if content is not None:
            raw = content.encode() if isinstance(content, str) else content
            Path(name).write_bytes(raw)
        return open_data(from_dict({"data": {"path": name, **knobs}}), lambda: tiny_tokenizer())

    return open_


@pytest.fixture
def refused(opened: Open) -> Told:
    """Why such a file is not opened."""

    def told(name: str, content: bytes | str | None = None, **knobs: Any) -> str:
        with pytest.raises(Problem) as met:
            opened(name, content, **knobs)
        return str(met.value)

    return told


def faults(dataset: Dataset) -> list[str]:
    return [str(fault) for fault in dataset.log.faults]


def rows_of(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


# ---------------------------------------------------------------- JSON and its lines


def test_bad_json_in_the_third_line_and_all_bad_lines_counted(opened: Open) -> None:
    bad = '{"instruction": "a", "output": b}'
    dataset = opened("train.jsonl", "\n".join([*LINES[:2], bad, *LINES[2:]]) + "\n")
    assert faults(dataset) == [
        "train.jsonl:3:32: not valid JSON (expecting value). Fix: mend the JSON here, or delete the record."
    ]
    assert len(dataset.rows) == 6
    many = opened("many.jsonl", GOOD + "{oops}\n" * 250)
    assert (many.log.total, len(many.log.faults), len(many.rows)) == (250, 100, 6)


def test_a_last_line_that_is_cut_off(opened: Open) -> None:
    dataset = opened("train.jsonl", GOOD + LINES[0][:30])
    assert faults(dataset) == [
        "train.jsonl:7:17: the file ends inside a record (line 7); was the copy complete? "
        "Fix: copy the file again, or delete its last line."
    ]
    assert len(dataset.rows) == 6


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", ""), ("a.jsonl", "\n\n \n"), ("a.json", "[]"), ("a.csv", "instruction,output\n")],
)
def test_nothing_in_it(refused: Told, name: str, content: str) -> None:
    told = refused(name, content)
    assert told.startswith(f"{name}: no records")
    assert told.endswith("Fix: put at least one row into it.")


def test_a_byte_order_mark_crlf_and_no_final_line_end_are_taken(opened: Open) -> None:
    raw = b"\xef\xbb\xbf" + GOOD.rstrip().replace("\n", "\r\n").encode()
    dataset = opened("train.jsonl", raw)
    assert (len(dataset.rows), faults(dataset)) == (6, [])


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_utf_16_is_named_with_the_command_that_converts_it(refused: Told, name: str) -> None:
    assert refused(name, GOOD.encode("utf-16")) == (
        f"{name}:1:1: this is UTF-16 (told at byte 0), expected UTF-8. "
        "Fix: save it as UTF-8: iconv -f UTF-16 -t UTF-8 OLD > NEW."
    )


def test_a_byte_of_latin_1_is_named_with_its_line_and_offset(opened: Open) -> None:
    raw = GOOD.encode() + '{"instruction": "café", "output": "b"}\n'.encode("latin-1")
    assert faults(opened("a.jsonl", raw)) == [
        f"a.jsonl:7:21: byte E9 at offset {raw.index(0xE9):,} is not UTF-8; in Windows-1252 (Latin-1) "
        'it would be "é". Fix: save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW.'
    ]


# ---------------------------------------------------------------- containers


def test_another_kind_of_file_by_a_false_name(opened: Open, refused: Told) -> None:
    with zipfile.ZipFile("in.zip", "w") as archive:
        archive.writestr("train.jsonl", GOOD)
    assert refused("a.jsonl", Path("in.zip").read_bytes()) == (
        f"a.jsonl: this is a zip archive (Excel files are, too), not {ACCEPTED}. "
        "Fix: unpack it, or save the sheet as CSV."
    )
    assert refused("b.jsonl", bytes(range(256)) * 10) == (
        f"b.jsonl: this is not text (a zero byte at offset 0). Fix: name a file of {ACCEPTED}."
    )
    packed = opened("c.jsonl", gzip.compress(GOOD.encode()))
    assert (len(packed.rows), packed.notes[0]) == (6, "unpacked from gzip")


def test_json_in_other_arrangements(opened: Open, refused: Told) -> None:
    assert len(opened("list.jsonl", json.dumps(alpaca(6))).rows) == 6
    assert len(opened("lines.json", GOOD).rows) == 6
    columns = {name: [row[name] for row in alpaca(6)] for name in ("instruction", "output")}
    assert len(opened("columns.json", json.dumps(columns)).rows) == 6
    assert refused("scalar.json", "42") == (
        "scalar.json:1:1: the record is a number, expected an object with named fields "
        "(none of 1 records can be used). Fix: write {...} for each record."
    )
    assert refused("uneven.json", '{"instruction": ["a", "b"],\n "output": ["c"]}') == (
        "uneven.json: an object that holds several lists (instruction: 2, output: 1). "
        "Fix: keep one list of records in the file, each record an object with its fields."
    )


# ---------------------------------------------------------------- values and names


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"instruction": 3, "output": "b"}, "41:17: 'instruction' is a number, expected text"),
        ({"instruction": "a", "output": ["b"]}, "41:32: 'output' is a list, expected text"),
        ({"instruction": "a", "output": None}, "41:32: 'output' is null"),
        ({"instruction": "a", "output": {"b": "c"}}, "41:32: 'output' is an object, expected text"),
    ],
)
def test_a_field_of_another_kind_in_row_41(opened: Open, row: dict[str, Any], told: str) -> None:
    dataset = opened("a.jsonl", rows_of(*alpaca(40), row))
    (said,) = faults(dataset)
    assert said.startswith(f"a.jsonl:{told}. Fix: ")
    assert [row.answer for row in dataset.rows] == [row["output"] for row in alpaca(40)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"instruction": "a"}', "61:1: there is no 'output'. Fix: add \"output\""),
        ('{"instruction ": "a", "output": "b"}',
         "61:18: there is no 'instruction'. Fix: rename \"instruction \" to \"instruction\""),
        ('{"Instruction": "a", "output": "b"}',
         "61:17: there is no 'instruction'. Fix: rename \"Instruction\" to \"instruction\""),
        ('{"instruction": "a", "inptu": "x", "output": "b"}',
         '61:31: the field "inptu" is not known. Fix: did you mean "input"?'),
        ('{"instruction": "a", "output": "b", "output": "c"}',
         '61:37: "output" stands twice in one object. Fix: keep one of them'),
    ],
)  # fmt: skip
def test_a_name_missing_misspelt_or_given_twice(opened: Open, line: str, told: str) -> None:
    dataset = opened("a.jsonl", rows_of(*alpaca(60)) + line + "\n")
    assert faults(dataset) == [f"a.jsonl:{told}" + ("" if told.endswith("?") else ".")]
    assert len(dataset.rows) == 60


def test_a_field_more_is_named(opened: Open) -> None:
    assert "fields not used: source" in opened("a.jsonl", rows_of(*alpaca(6, source="x"))).notes


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("NaN", "NaN is not a number that JSON knows. Fix: write a number, or null"),
        ("-Infinity", "-Infinity is not a number that JSON knows. Fix: write a number, or null"),
        ("1e999", "the number 1e999 is too large. Fix: write it as text in quotes"),
        (
            "9" * 30,
            f"the number {'9' * 20}… (30 characters) is too large. Fix: write it as text in quotes",
        ),
    ],
)
def test_numbers_that_json_does_not_have(opened: Open, number: str, told: str) -> None:
    line = f'{{"instruction": "a", "output": "b", "x": {number}}}\n'
    assert faults(opened("a.jsonl", GOOD + line)) == [f"a.jsonl:7:42: {told}."]


def test_half_a_character_and_a_zero(opened: Open) -> None:
    lines = r"""{"instruction": "a\ud800", "output": "b"}
{"instruction": "a\u0000", "output": "b"}
"""
    assert faults(opened("a.jsonl", GOOD + lines)) == [
        "a.jsonl:7:19: half of a surrogate pair (\\ud800) inside a text. "
        "Fix: write the whole character, or remove it.",
        "a.jsonl:8:19: a zero character (\\u0000) inside a text. Fix: remove it.",
    ]


# ---------------------------------------------------------------- sizes


def test_a_hundred_thousand_brackets(opened: Open) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    told = "nested deeper than 64. Fix: flatten the record."
    assert faults(opened("a.jsonl", f"{GOOD}{deep}\n")) == [f"a.jsonl:7:65: {told}"]
    document = f'[{LINES[0]},\n{LINES[1]},\n{{"a": {deep}}}]'
    assert faults(opened("a.json", document)) == [f"a.json:3:70: {told}"]


def test_a_line_beyond_the_limit(opened: Open) -> None:
    dataset = opened("a.jsonl", GOOD + '{"instruction": "' + "x" * 17 * 2**20 + '"}\n' + LINES[0])
    assert faults(dataset) == [
        "a.jsonl:7:1: the line is longer than 16 MB. "
        "Fix: split the record, or check that its line ends are there."
    ]
    assert len(dataset.rows) == 7


# ---------------------------------------------------------------- conversations


@pytest.mark.parametrize(
    ("turns", "code", "told"),
    [
        ([{"role": "robot", "content": "x"}, ANSWER], "role", 'the role "robot" is not known'),
        ([{"role": "system", "content": "s"}] * 2 + [USER, ANSWER], "order", "a second system turn"),
        ([USER, {"role": "assistant", "content": ""}], "empty_answer", "the answer is empty"),
        ([ANSWER, USER], "order", "the conversation begins with the assistant"),
        ([USER], "empty_answer", "there is no assistant turn"),
        (
            [USER, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {}}]}, ANSWER],
            "tools", "a tool call without its result",
        ),
    ],
)  # fmt: skip
def test_turns_that_are_no_conversation(
    opened: Open, turns: list[dict[str, Any]], code: str, told: str
) -> None:
    good = [{"messages": [{**USER, "content": f"q{n}"}, ANSWER]} for n in range(12)]
    dataset = opened("a.jsonl", rows_of(*good, {"messages": turns}, {"messages": turns}))
    (problem,) = summary(dataset)["problems"]
    assert (problem["code"], problem["count"], problem["rows"]) == (code, 2, [13, 14])
    assert problem["first"].startswith("a.jsonl:13:")
    assert told in problem["first"]
    assert "Fix: " in problem["first"]


# ---------------------------------------------------------------- lengths and copies


def test_rows_longer_than_the_longest_row(opened: Open, refused: Told) -> None:
    long_ = [{"instruction": f"{n} a b c d e " * 40, "output": "b " * 40} for n in range(10)]
    assert refused("all.jsonl", rows_of(*long_), max_length=16) == (
        "all.jsonl:1:1: the prompt fills the longest row (16 tokens), nothing of the answer is left "
        "(none of 10 records can be used). Fix: raise data.max_length, or shorten these prompts."
    )
    cut = [{"instruction": f"q {n}", "output": "b " * (200 if n < 6 else 2)} for n in range(20)]
    found = summary(opened("some.jsonl", rows_of(*cut), max_length=64))
    (check,) = [check for check in found["checks"] if check["code"] == "answer_cut"]
    assert (check["count"], check["rows"], found["truncated"]) == (6, [1, 2, 3, 4, 5, 6], 6)


def test_copies_and_what_lies_on_both_sides(opened: Open) -> None:
    copies = opened("a.jsonl", rows_of(*alpaca(40), *alpaca(5)))
    (check,) = [c for c in summary(copies)["checks"] if c["code"] == "exact_copies"]
    assert (check["count"], check["rows"][:5]) == (10, [1, 2, 3, 4, 5])
    assert summary(copies)["overlap"]["exact"] == 0
    Path("held.jsonl").write_text(rows_of(*alpaca(3)))
    held = opened("b.jsonl", rows_of(*alpaca(20)), eval_path="held.jsonl")
    assert [(fault.code, fault.line) for fault in held.log.faults] == [
        ("held_out_copy", 1),
        ("held_out_copy", 2),
        ("held_out_copy", 3),
    ]


# ---------------------------------------------------------------- tables and columns


def test_tables_that_are_not_even(opened: Open, refused: Told) -> None:
    dataset = opened("a.csv", 'instruction;output\na;b\nc\n"x;y\n=cmd|x;007\n')
    assert faults(dataset) == [
        "a.csv:3:1: the row has 1 field, the header 2. "
        "Fix: quote fields that hold the delimiter, and leave none out.",
        "a.csv:4:1: a quote is opened and never closed. "
        'Fix: close the quote, and write a quote inside a field as "".',
    ]
    assert "the fields are divided by a semicolon" in dataset.notes
    assert [(row.user_text, row.answer) for row in dataset.rows] == [("a", "b"), ("=cmd|x", "007")]
    assert refused("b.csv", "output,output\na,b\n") == (
        'b.csv:1:8: two columns are named "output". Fix: give each column a name of its own.'
    )
    assert refused("c.csv", "What is 1?,2\nWhat is 2?,4\n").startswith(
        'c.csv: the shape is not known (fields found: "What is 1?", "2"). '
        "Fix: name the columns in the first line; accepted: alpaca (instruction, output)"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello, world",
         "is named .parquet, but does not begin with PAR1, as such files do. "
         "Fix: copy the file again, or name it after what it holds."),
        (b"PAR1PAR1", "the Parquet file is cut off (no PAR1 at its end). Fix: copy the file again in full."),
        (b"PAR1" + b"x" * 50 + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
         "the footer says 2,147,483,647 bytes, the file has 62. Fix: copy the file again in full."),
    ],
)  # fmt: skip
def test_parquet_that_is_none(refused: Told, content: bytes, told: str) -> None:
    pytest.importorskip("pyarrow")
    assert refused("a.parquet", content) == f"a.parquet: {told}"


# ---------------------------------------------------------------- files


def test_names_that_lead_to_no_file(refused: Told, tmp_path: Path) -> None:
    os.mkdir("folder")
    os.mkfifo("pipe.jsonl")
    os.symlink("loop.jsonl", "loop.jsonl")
    os.symlink("/dev/zero", "zero.jsonl")
    Path("train.jsonl").write_text(GOOD)
    told = {
        "folder": f"the folder holds no file of {ACCEPTED}. Fix: name a file.",
        "pipe.jsonl": "is a pipe. Fix: name a regular file.",
        "zero.jsonl": "is a device. Fix: name a regular file.",
        "loop.jsonl": "is a link that leads to itself. Fix: name the file itself.",
        "trian.jsonl": "there is no such file. Fix: did you mean train.jsonl?",
        "x" * 300
        + ".csv": "cannot be opened (File name too long). Fix: name a file that is there.",
    }
    for name, words in told.items():
        assert refused(name) == f"{name}: {words}"


def test_files_that_do_not_belong_together(refused: Told) -> None:
    os.mkdir("data")
    Path("data/a.jsonl").write_text(GOOD)
    Path("data/b.jsonl").write_text(rows_of({"prompt": "a", "completion": "b"}))
    assert refused("data/*.jsonl") == (
        'data/*.jsonl: the files have different fields: a.jsonl has "instruction", "output"; '
        'b.jsonl lacks "instruction", "output" and has "completion", "prompt" more. '
        "Fix: name files of one shape, or give them the same fields."
    )
    assert refused("data/*.csv") == (
        "data/*.csv: no file matches *.csv in data. Fix: the folder holds a.jsonl, b.jsonl."
    )


def test_too_little_to_hold_any_out(opened: Open) -> None:
    one = opened("one.jsonl", LINES[0])
    assert (len(one.rows), len(one.at("eval"))) == (1, 0)
    assert "nothing could be held out: there are too few different questions" in one.notes
    none = opened("none.jsonl", GOOD, eval_fraction=0)
    assert any("data.eval_fraction is 0" in note for note in none.notes)


def test_names_that_drive_a_terminal(opened: Open, refused: Told) -> None:
    hostile = "\x1b]52;c;aGk=\x07[bold]\u202ex"
    shown = clean(refused("a.jsonl", rows_of({hostile: "a", "b": "c"})), lines=False)
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    dataset = opened("b.jsonl", rows_of(*({**row, "output": hostile} for row in alpaca(6))))
    assert [row.answer for row in dataset.rows] == [hostile] * 6
