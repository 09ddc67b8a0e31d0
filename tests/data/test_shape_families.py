"""Every shape that is recognised, each with the messages written out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.shapes.known import SHAPE_NAMES
from engine.errors import Problem
from tests.data.reading import shape, shape_file

USER = {"role": "user", "content": "q"}
ANSWER = {"role": "assistant", "content": "a"}
QA = [("user", "q"), ("assistant", "a")]

FAMILY: list[tuple[dict[str, Any], str, list[tuple[str, str]]]] = [
    ({"instruction": "q", "output": "a"}, "alpaca", QA),
    ({"instruction": "q", "response": "a", "category": "x"}, "dolly", QA),
    (
        {"instruction": "q", "context": "c", "response": "a"},
        "dolly",
        [("user", "q\nc"), ("assistant", "a")],
    ),
    (
        {"instruction": "q", "input": "i", "response": "a"},
        "dolly",
        [("user", "q\ni"), ("assistant", "a")],
    ),
    ({"INSTRUCTION": "q", "RESPONSE": "a", "SOURCE": "s", "METADATA": {}}, "oasst", QA),
    (
        {"id": "1", "system_prompt": "s", "question": "q", "response": "a"},
        "openorca",
        [("system", "s"), *QA],
    ),
    ({"system_prompt": "", "question": "q", "response": "a"}, "openorca", QA),
    ({"question": "q", "answer": "a"}, "question/answer", QA),
    (
        {"question": "q", "context": "c", "answer": "a"},
        "question/answer",
        [("user", "q\nc"), ("assistant", "a")],
    ),
    ({"article": "q", "summary": "a"}, "summarise", QA),
    ({"document": "q", "summary": "a"}, "summarise", QA),
    ({"dialogue": "q", "summary": "a"}, "summarise", QA),
    ({"prompt": "q", "generation": "a"}, "metharme", QA),
    ({"message_1": "q", "message_2": "a", "topic": "x"}, "camel", QA),
    ({"human": "q", "assistant": "a"}, "pair", QA),
    ({"prompt": "q", "completion": "a"}, "prompt/completion", QA),
    ({"messages": [USER, ANSWER], "prompt": "q", "prompt_id": "1"}, "messages", QA),
    ({"conversations": [USER, ANSWER], "source": "x"}, "sharegpt", QA),
    *(
        ({key: [{"speaker": "user", "text": "q"}, {"speaker": "bot", "text": "a"}]}, "sharegpt", QA)
        for key in ("conversation", "dialog", "dialogue", "texts", "chat")
    ),
    (
        {"dialogue": [{"from": "user", "value": "q"}, {"from": "model", "value": "a"}], "summary": "x"},
        "sharegpt",
        QA,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "name", "expected"), FAMILY)
def test_each_record_is_read_as_its_shape(
    tmp_path: Path, value: dict[str, Any], name: str, expected: list[tuple[str, str]]
) -> None:
    assert name in SHAPE_NAMES
    shaped, log = shape(tmp_path, [value] * 2)
    assert log.faults == []
    assert (shaped.format, shaped.confidence) == (name, 1.0)
    for row in shaped.rows:
        assert [(m.role, m.content) for m in row.messages] == expected
        assert all(m.learned == (m.role == "assistant") for m in row.messages)


@pytest.mark.parametrize("name", ["alpaca", "dolly", "oasst", "question/answer", "pair"])
def test_columns_of_a_table_make_the_same_rows(tmp_path: Path, name: str) -> None:
    for value, format_, expected in FAMILY:
        if format_ != name or not all(isinstance(text, str) for text in value.values()):
            continue
        path = tmp_path / "data.csv"
        path.write_text("\n".join([",".join(value), ",".join(value.values())]) + "\n")
        shaped, log = shape_file(path)
        assert (shaped.format, log.faults) == (name, [])
        assert [(m.role, m.content) for m in shaped.rows[0].messages] == expected


def test_turns_in_a_cell_of_a_table(tmp_path: Path) -> None:
    turns = json.dumps([{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}])
    quoted = turns.replace('"', '""')
    path = tmp_path / "data.csv"
    path.write_text(f'chat,id\n"{quoted}",1\n')
    shaped, log = shape_file(path)
    assert (shaped.format, log.faults) == ("sharegpt", [])
    assert [(m.role, m.content) for m in shaped.rows[0].messages] == QA


def test_a_text_is_a_row_without_turns(tmp_path: Path) -> None:
    shaped, log = shape(tmp_path, [{"text": " Once\n", "meta": {}}, {"text": " "}, {"text": 3}])
    (row,) = shaped.rows
    assert shaped.format == "text"
    assert row.raw
    assert [(m.role, m.content) for m in row.messages] == [("assistant", " Once\n")]
    assert (row.user_text, row.answer, row.prompt) == (" Once\n", " Once\n", ())
    assert [fault.code for fault in log.faults] == ["empty_answer", "type"]


def test_segments_are_pieces_learned_or_not(tmp_path: Path) -> None:
    good = {"segments": [{"label": False, "text": "Q: q "}, {"label": True, "text": "A: a"}]}
    nothing = {"segments": [{"label": False, "text": "q"}]}
    wrong = {"segments": [{"label": 1, "text": "q"}]}
    shaped, log = shape(tmp_path, [good, nothing, wrong, {"segments": [{"text": "q"}]}])
    (row,) = shaped.rows
    assert shaped.format == "segments"
    assert row.raw
    assert [(m.content, m.learned) for m in row.messages] == [("Q: q ", False), ("A: a", True)]
    assert row.user_text == "Q: q "
    assert [fault.code for fault in log.faults] == ["empty_answer", "type", "type"]


def test_weights_say_which_answers_are_learned(tmp_path: Path) -> None:
    turns = [USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}, USER, ANSWER]
    shaped, log = shape(tmp_path, [{"messages": turns}])
    assert log.faults == []
    answers = [m for m in shaped.rows[0].messages if m.role == "assistant"]
    assert [(m.trained, m.learned) for m in answers] == [(False, False), (True, True), (None, True)]


def test_two_system_texts_are_not_one(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "s"}, USER, ANSWER]
    shaped, log = shape(
        tmp_path, [{"messages": turns, "system": "s"}, {"messages": turns, "system": "t"}]
    )
    assert len(shaped.rows) == 1
    assert [fault.code for fault in log.faults] == ["order"]


def test_text_and_messages_together_are_ambiguous(tmp_path: Path) -> None:
    both = {"messages": [USER, ANSWER], "text": "q a"}
    shaped, log = shape(tmp_path, [{"messages": [USER, ANSWER], "text": None}, both])
    assert len(shaped.rows) == 1
    assert [(fault.line, fault.code) for fault in log.faults] == [(2, "ambiguous")]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"input_ids": [1], "attention_mask": [1]}, "fit one tokenizer only"),
        ({"prompt": "q"}, "prompts without answers"),
        ({"prompt": [USER], "score": 0.5}, "prompts without answers"),
    ],
)
def test_what_cannot_be_learned_from_is_named(
    tmp_path: Path, value: dict[str, Any], words: str
) -> None:
    with pytest.raises(Problem, match=words):
        shape(tmp_path, [value] * 3)


def test_a_lost_completion_is_a_missing_field_not_another_shape(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "completion": "a"}] * 9
    shaped, log = shape(tmp_path, [*rows, {"prompt": "q"}])
    assert len(shaped.rows) == 9
    assert [fault.code for fault in log.faults] == ["missing"]
