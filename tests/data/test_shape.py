"""The shapes found from the rows, the messages each makes, and what keeps a row out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.rows import Row
from engine.errors import Problem
from tests.data.reading import alpaca, shape, shape_file

USER = {"role": "user", "content": "question"}
ANSWER = {"role": "assistant", "content": "answer"}


def turns(row: Row) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


@pytest.mark.parametrize(
    ("value", "format_", "expected"),
    [
        (
            {"instruction": "Add.", "input": "1 2", "output": " 3 ", "id": 5},
            "alpaca",
            [("user", "Add.\n1 2"), ("assistant", " 3 ")],
        ),
        (
            {"instruction": "Add.", "input": "", "output": "3", "system": None, "history": []},
            "alpaca",
            [("user", "Add."), ("assistant", "3")],
        ),
        (
            {"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]},
            "alpaca",
            [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
        ),
        (
            {"messages": [{"role": "developer", "content": "s"}, USER, ANSWER, USER, ANSWER]},
            "messages",
            [("system", "s"), *[("user", "question"), ("assistant", "answer")] * 2],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]},
                    {"role": "assistant", "content": [{"type": "text", "value": "c"}], "weight": 1},
                ]
            },
            "messages",
            [("user", "ab"), ("assistant", "c")],
        ),
        (
            {
                "conversations": [
                    {"from": "human", "value": "a"},
                    {"from": "gpt", "value": "b"},
                ],
                "system": "s",
            },
            "sharegpt",
            [("system", "s"), ("user", "a"), ("assistant", "b")],
        ),
        (
            {"conversations": [USER, ANSWER], "tools": ""},
            "sharegpt",
            [("user", "question"), ("assistant", "answer")],
        ),
        (
            {"prompt": "a ", "completion": " b"},
            "prompt/completion",
            [("user", "a "), ("assistant", " b")],
        ),
        (
            {"prompt": [{"role": "system", "content": "s"}, USER], "completion": [ANSWER]},
            "prompt/completion",
            [("system", "s"), ("user", "question"), ("assistant", "answer")],
        ),
    ],
)
def test_each_shape_makes_its_messages(
    tmp_path: Path, value: dict[str, Any], format_: str, expected: list[tuple[str, str]]
) -> None:
    shaped, log = shape(tmp_path, [value])
    assert log.faults == []
    assert shaped.format == format_
    assert shaped.confidence == 1.0
    assert [turns(row) for row in shaped.rows] == [expected]


def test_what_a_row_says_of_itself(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "s"}, USER, ANSWER, USER, {**ANSWER, "content": "z"}]
    shaped, _ = shape(tmp_path, [{"messages": messages}, {"messages": messages[1:3]}])
    first, second = shaped.rows
    assert (first.system, first.user_text, first.answer) == ("s", "question\nquestion", "z")
    assert (second.system, second.number, second.line) == (None, 2, 2)
    assert len(first.id) == 16
    assert first.id != second.id
    assert first.id == shape(tmp_path, [{"messages": messages}])[0].rows[0].id


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"instruction": "a", "output": ""}, "empty_answer", "answer is empty"),
        ({"instruction": "a", "output": " \n"}, "empty_answer", "answer is empty"),
        ({"instruction": "a", "output": None}, "empty_answer", "'output' is null"),
        ({"instruction": " ", "output": "a"}, "empty_prompt", "empty"),
        ({"instruction": "a", "output": 3}, "type", "'output' is a number, expected text"),
        ({"instruction": True, "output": "a"}, "type", "'instruction' is true or false"),
        ({"instruction": "a", "input": {}, "output": "b"}, "type", "'input' is an object"),
        ({"instruction": "a", "Output": "b"}, "missing", 'rename "Output" to "output"'),
        ({"instruction ": "a", "output": "b"}, "missing", 'rename "instruction " to "instruction"'),
        ({"instruction": "a", "outptu": "b"}, "missing", 'rename "outptu" to "output"'),
        ({"instruction": "a", "answer": "b"}, "missing", 'add "output"'),
        ({"instruction": "a", "Input": "x", "output": "b"}, "unknown_field", 'mean "input"'),
        ({"instruction": "a", "output": "b", "history": ["x"]}, "type", "no pair"),
        ({"instruction": "a", "output": "b", "tools": [{}]}, "tools", "has no name"),
        ({"messages": [USER, ANSWER]}, "shape", "this record is messages, the file is alpaca"),
    ],
)
def test_alpaca_rows_that_cannot_be_used(
    tmp_path: Path, value: dict[str, Any], code: str, words: str
) -> None:
    shaped, log = shape(tmp_path, [*alpaca(60), value, *alpaca(3)])
    (fault,) = log.faults
    assert (fault.line, fault.number, fault.code) == (61, 61, code)
    assert words in str(fault)
    assert len(shaped.rows) == 63


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([{"role": "usr", "content": "a"}, ANSWER], "role", 'did you mean "user"?'),
        (
            [{"role": "robot", "content": "a"}, ANSWER],
            "role",
            "use system, user, assistant or tool",
        ),
        ([{"role": 1, "content": "a"}, ANSWER], "type", "'role' is a number"),
        ([ANSWER, USER], "order", "begins with the assistant"),
        ([USER, ANSWER, USER], "order", "last turn is not the assistant's"),
        ([USER], "empty_answer", "no assistant turn"),
        ([], "empty_answer", "'messages' is empty"),
        ([USER, USER, ANSWER], "order", "two user turns"),
        ([USER, ANSWER, ANSWER], "order", "two assistant turns"),
        ([USER, {"role": "system", "content": "s"}, ANSWER], "order", "not the first"),
        ([{"role": "system", "content": "s"}] * 2 + [USER, ANSWER], "order", "a second system"),
        ([USER, {"role": "assistant", "content": ""}], "empty_answer", "the answer is empty"),
        ([USER, {"role": "assistant", "content": None}], "empty_answer", "'content' is null"),
        ([{"role": "user", "content": None}, ANSWER], "empty_prompt", "'content' is null"),
        ([{"role": "user"}, ANSWER], "missing", "no 'content'"),
        ([{"role": "user", "contents": "a"}, ANSWER], "missing", 'rename "contents"'),
        (["hello", ANSWER], "type", "the turn is text"),
        ([USER, {**ANSWER, "tool_calls": [{}]}], "tools", "a call has no name"),
        ([USER, {"role": "tool", "content": "x"}, ANSWER], "tools", "without a call before it"),
        ([USER, {**ANSWER, "weight": 0}], "empty_answer", "every answer has weight 0"),
        ([USER, {**ANSWER, "weight": 0.5}], "unsupported", "'weight' 0.5: only weights 0 and 1"),
        ([USER, {**ANSWER, "weight": 1, "train": False}], "unsupported", "says otherwise"),
        ([USER, {**ANSWER, "weight": "1"}], "unsupported", "only weights 0 and 1"),
        ([{**USER, "loss_weight": 1.0}, ANSWER], "unsupported", "weights"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, ANSWER],
            "unsupported",
            'type "image_url"',
        ),
        (
            [{"role": "user", "content": [{"type": "text"}]}, ANSWER],
            "type",
            "a part's text is null",
        ),
        ("hello", "type", "'messages' is text, expected a list"),
    ],
)
def test_conversations_that_cannot_be_used(
    tmp_path: Path, messages: Any, code: str, words: str
) -> None:
    good = {"messages": [USER, ANSWER]}
    shaped, log = shape(tmp_path, [good, {"messages": messages}])
    (fault,) = log.faults
    assert (fault.line, fault.code) == (2, code)
    assert words in str(fault)
    assert len(shaped.rows) == 1


def test_a_fault_points_at_the_value_to_blame(tmp_path: Path) -> None:
    good = {"messages": [USER, ANSWER]}
    bad = {"id": "é[{", "messages": [USER, {"role": "asistant", "content": "x"}]}
    _, log = shape(tmp_path, [good, bad])
    column = json.dumps(bad).index('"asistant"') + 1
    assert [(fault.line, fault.column) for fault in log.faults] == [(2, column)]


def test_a_mix_is_refused_with_its_shares(tmp_path: Path) -> None:
    values = [*alpaca(60), *[{"messages": [USER, ANSWER]}] * 40]
    with pytest.raises(Problem, match=r"alpaca 60% \(60\), messages 40% \(40\)"):
        shape(tmp_path, values)


def test_a_mix_behind_the_first_thousand_records_is_found(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="a mix of shapes: alpaca 67%"):
        shape(tmp_path, [*alpaca(2000), *[{"prompt": "a", "completion": "b"}] * 1000])


def test_a_few_strays_are_faults_and_lower_the_confidence(tmp_path: Path) -> None:
    shaped, log = shape(tmp_path, [*alpaca(196), *[{"messages": [USER, ANSWER]}] * 4])
    assert shaped.format == "alpaca"
    assert shaped.confidence == pytest.approx(0.98)
    assert [fault.code for fault in log.faults] == ["shape"] * 4


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"foo": "a", "bar": "b"}, r'fields found: "foo", "bar"'),
        ({"foo": "a", "bar": "b"}, r"accepted: alpaca \(instruction, output\)"),
        ({"Instruction": "a", "Output": "b"}, 'Rename "Instruction" to "instruction" and "Output"'),
        ({"prompt": "a", "completions": "b"}, 'Rename "completions" to "completion"'),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference pairs"),
        ({"prompt": "a", "completion": "b", "label": True}, "KTO"),
        ({"text": "a", "answer": "b"}, 'fields found: "text", "answer"'),
        ({"input_ids": [1, 2], "labels": [1, 2]}, "fit one tokenizer only"),
        ({"prompt": "a", "reward": 1}, "prompts without answers"),
    ],
)
def test_an_unknown_shape_is_refused_with_what_is_accepted(
    tmp_path: Path, value: dict[str, Any], words: str
) -> None:
    with pytest.raises(Problem, match=words):
        shape(tmp_path, [value] * 3)


def test_an_answer_inside_a_prompt_list_is_given_not_learned(tmp_path: Path) -> None:
    value = {"prompt": [USER, ANSWER, USER], "completion": [ANSWER]}
    shaped, log = shape(tmp_path, [value])
    assert log.faults == []
    assert [m.learned for m in shaped.rows[0].messages] == [False, False, False, True]


def test_fields_not_used_are_named(tmp_path: Path) -> None:
    shaped, _ = shape(tmp_path, alpaca(3, source="x", category=None))
    assert shaped.notes == ["fields not used: category, source"]
    shaped, _ = shape(tmp_path, [{"messages": [USER, {**ANSWER, "mood": "good"}]}])
    assert shaped.notes == ["fields of turns not used: mood"]


def test_every_fault_is_counted_and_the_first_hundred_kept(tmp_path: Path) -> None:
    _, log = shape(tmp_path, [*alpaca(10), *[{"instruction": "a", "output": ""}] * 250])
    assert log.total == 250
    assert len(log.faults) == 100
    (entry,) = log.to_json()
    assert (entry["code"], entry["count"]) == ("empty_answer", 250)
    assert entry["rows"] == list(range(11, 111))
    assert entry["first"].startswith(f"{tmp_path / 'data.jsonl'}:11:")
    assert entry["meaning"]
    assert entry["remedy"]


def test_parsed_numbers_never_turn_into_text(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"prompt": "a", "completion": "1"}\n{"prompt": "b", "completion": 1}\n')
    shaped, log = shape_file(path)
    assert [row.answer for row in shaped.rows] == ["1"]
    assert log.faults[0].line == 2
    assert log.faults[0].column == 31


def test_a_thousand_bad_lines_do_not_hide_the_rows_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("{oops}\n" * 1500 + "".join(json.dumps(row) + "\n" for row in alpaca(5)))
    shaped, log = shape_file(path)
    assert (len(shaped.rows), log.total) == (5, 1500)


def test_a_table_of_good_and_bad_answers_is_not_taken_for_answers(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("prompt,completion,label\na,b,True\na,c,False\n")
    with pytest.raises(Problem, match="KTO"):
        shape_file(path)
