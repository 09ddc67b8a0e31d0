"""Records as well-known public data sets publish them, each with its messages written out by hand:
questions and answers in fields of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.data.shapes.unknown import UnknownShape
from engine.errors import Problem
from tests.data.reading import shape, shape_file

Turns = list[tuple[str, str]]
QA: Turns = [("user", "q"), ("assistant", "a")]
SQA: Turns = [("system", "s"), *QA]

FIELDS: dict[str, tuple[dict[str, Any], str, Turns, str]] = {
    "dolly-15k": (
        {"instruction": "q", "context": "c", "response": "a", "category": "closed_qa"},
        "dolly", [("user", "q\nc"), ("assistant", "a")], "category",
    ),
    "alpaca": (
        {"instruction": "q", "input": "i", "output": "a", "text": "Below is …"},
        "alpaca", [("user", "q\ni"), ("assistant", "a")], "text",
    ),
    "python code instructions": (
        {"instruction": "q", "input": "", "output": "a", "prompt": "Below is …"},
        "alpaca", QA, "prompt",
    ),
    "COIG-CQIA": (
        {"instruction": "q", "input": "", "output": "a", "task_type": {"major": ["x"]},
         "domain": ["x"], "metadata": None, "human_verified": True},
        "alpaca", QA, "domain, human_verified, metadata, task_type",
    ),
    "self-instruct seed tasks": (
        {"id": "seed_task_0", "name": "n", "instruction": "q",
         "instances": [{"input": "i", "output": "a"}], "is_classification": False},
        "self-instruct", [("user", "q\ni"), ("assistant", "a")], "id, is_classification, name",
    ),
    "airoboros": (
        {"instruction": "q", "response": "a", "system": "s", "category": "x"},
        "dolly", SQA, "category",
    ),
    "FLAN": ({"inputs": "q", "targets": "a", "task": "x"}, "flan", QA, "task"),
    "aya": (
        {"inputs": "q", "targets": "a", "language": "English", "user_id": "x"},
        "flan", QA, "language, user_id",
    ),
    "P3": (
        {"inputs": [1, 2], "targets": [3], "inputs_pretokenized": "q", "targets_pretokenized": "a"},
        "flan", QA, "inputs, targets",
    ),
    "gsm8k": ({"question": "q", "answer": "a"}, "question/answer", QA, ""),
    "MetaMathQA": (
        {"type": "t", "query": "q", "original_question": "o", "response": "a"},
        "query/response", QA, "original_question, type",
    ),
    "ms-swift": (
        {"system": "s", "query": "q", "response": "a", "history": [["b", "c"]]},
        "query/response",
        [("system", "s"), ("user", "b"), ("assistant", "c"), *QA], "",
    ),
    "Magicoder": (
        {"lang": "py", "index": 2, "seed": "s", "problem": "q", "solution": "a"},
        "problem/solution", QA, "index, lang, seed",
    ),
    "squad": (
        {"id": "x", "title": "t", "context": "c", "question": "q",
         "answers": {"text": ["a"], "answer_start": [5]}},
        "squad", [("user", "q\nc"), ("assistant", "a")], "id, title",
    ),
    "squad, as lists": (
        {"context": "c", "question": "q", "answers": [{"text": "a", "answer_start": 5}]},
        "squad", [("user", "q\nc"), ("assistant", "a")], "",
    ),
    "xsum": ({"document": "q", "summary": "a", "id": "1"}, "summarise", QA, "id"),
    "cnn_dailymail": ({"article": "q", "highlights": "a", "id": "1"}, "summarise", QA, "id"),
    "samsum": ({"id": "1", "dialogue": "q", "summary": "a"}, "summarise", QA, "id"),
    "billsum": ({"text": "q", "summary": "a", "title": "t"}, "summarise", QA, "title"),
    "OpenOrca": (
        {"id": "1", "system_prompt": "s", "question": "q", "response": "a"},
        "openorca", SQA, "id",
    ),
    "HelpSteer": (
        {"prompt": "q", "response": "a", "helpfulness": 4}, "prompt/response", QA, "helpfulness",
    ),
    "firefly": ({"kind": "NLI", "input": "q", "target": "a"}, "firefly", QA, "kind"),
    "Belle": ({"instruction": "q", "input": "", "output": "a"}, "alpaca", QA, ""),
    "Nemotron": (
        {"input": [{"role": "user", "content": "q"}], "output": "a", "system_prompt": "s",
         "reasoning": "on"},
        "input/output", SQA, "reasoning",
    ),
    "input and output": ({"input": "q", "output": "a"}, "input/output", QA, ""),
    "user and assistant": ({"system": "s", "user": "q", "assistant": "a"}, "pair", SQA, ""),
    "OpenAI, completions": ({"prompt": "q", "completion": "a"}, "prompt/completion", QA, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_the_shape_is_found_and_all_is_kept_or_named(tmp_path: Path, name: str) -> None:
    value, format_, expected, unused = FIELDS[name]
    shaped, log = shape(tmp_path, [value] * 2)
    assert log.faults == []
    assert (shaped.format, shaped.confidence) == (format_, 1.0)
    for row in shaped.rows:
        assert [(m.role, m.content) for m in row.messages] == expected
        assert [m.learned for m in row.messages if m.role == "assistant"][-1]
    assert shaped.notes == ([f"fields not used: {unused}"] if unused else [])


@pytest.mark.parametrize(
    ("good", "bad", "code", "words"),
    [
        ("squad", {"context": "c", "question": "q", "answers": {"text": []}}, "empty_answer", "no answer"),
        ("squad", {"context": "c", "question": "q", "answers": {"text": [3]}}, "type", "a number"),
        ("squad", {"context": "c", "question": "q", "answers": {"ext": ["a"]}}, "type", "null"),
        (
            "self-instruct seed tasks",
            {"instruction": "q", "instances": [{"input": "", "output": "a"}] * 2},
            "unsupported", "'instances' holds 2 examples",
        ),
        ("self-instruct seed tasks", {"instruction": "q", "instances": [{"input": ""}]}, "missing", "no 'output'"),
        ("FLAN", {"inputs": "q", "targets": ["a"]}, "type", "'targets' is a list"),
        ("gsm8k", {"question": "q", "answer": ["a"]}, "type", "'answer' is a list"),
        ("gsm8k", {"question": "q", "answer": 3}, "type", "'answer' is a number"),
        ("input and output", {"input": "q", "output": "a", "Instruction": "x"}, "unknown_field", 'mean "instruction"'),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_kept_is_named(
    tmp_path: Path, good: str, bad: dict[str, Any], code: str, words: str
) -> None:
    shaped, log = shape(tmp_path, [*[FIELDS[good][0]] * 30, bad])
    (fault,) = log.faults
    assert (fault.line, fault.code) == (31, code)
    assert words in str(fault)
    assert len(shaped.rows) == 30


OASST = {"message_id": "m", "parent_id": None, "text": "q", "role": "prompter", "lang": "en"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (OASST, "conversation trees .* write each path"),
        ({"message_tree_id": "m", "prompt": {"text": "q", "replies": []}}, "conversation trees"),
        ({"role": "user", "content": "q"}, "each record is one turn"),
        ({"from": "human", "value": "q"}, "each record is one turn"),
    ],
)
def test_what_is_no_conversation_is_refused_by_name(
    tmp_path: Path, value: dict[str, Any], words: str
) -> None:
    with pytest.raises(Problem, match=words):
        shape(tmp_path, [value] * 3)


@pytest.mark.parametrize(
    ("value", "prompt", "answer"),
    [
        ({"id": "0", "translation": {"en": "q", "de": "a"}}, None, None),
        ({"task_id": 1, "text": "q", "code": "a", "test_list": ["x"]}, "text", "code"),
        ({"task_id": "x", "prompt": "q", "canonical_solution": "a", "test": "t"}, "prompt", "canonical_solution"),
        ({"prompt": "q", "label": "a"}, "prompt", "label"),
        ({"prompt": "q", "text": "a"}, "prompt", "text"),
        ({"input_text": "q", "output_text": "a"}, "input_text", "output_text"),
        ({"Question": "q", "Complex_CoT": "c", "Response": "a"}, "Question", "Response"),
        ({"question": "q", "best_answer": "a", "correct_answers": ["a"]}, "question", "best_answer"),
        ({"question": "q", "correct_answer": "a", "distractor1": "b"}, "question", "correct_answer"),
        ({"instruction": "q", "completion": "a"}, "instruction", "completion"),
        ({"sql_prompt": "q", "sql_context": "c", "sql": "a"}, "sql_prompt", "sql"),
        ({"sentence": "q", "label": "a", "idx": 0}, "sentence", "label"),
        ({"docstring": "q", "code": "a"}, "docstring", "code"),
        ({"prompt": "q", "response_0": "a", "response_1": "b"}, "prompt", "response_0"),
    ],
)  # fmt: skip
def test_what_may_be_read_in_two_ways_is_asked_about(
    tmp_path: Path, value: dict[str, Any], prompt: str | None, answer: str | None
) -> None:
    with pytest.raises(UnknownShape) as met:
        shape(tmp_path, [value] * 3)
    assert (met.value.guess["prompt"], met.value.guess["answer"]) == (prompt, answer)


def test_columns_inside_an_object_can_be_named(tmp_path: Path) -> None:
    values = [{"translation": {"en": "q", "de": "a"}}, {"translation": {"en": "q", "de": 3}}]
    with pytest.raises(UnknownShape) as met:
        shape(tmp_path, values)
    assert met.value.columns == ["translation.en", "translation.de"]
    assert met.value.rows[0] == {"translation.en": "q", "translation.de": "a"}
    named = {"prompt": "translation.en", "answer": "translation.de"}
    shaped, log = shape_file(tmp_path / "data.jsonl", columns=named)
    assert [[(m.role, m.content) for m in row.messages] for row in shaped.rows] == [QA]
    (fault,) = log.faults
    assert (fault.line, fault.column, fault.code) == (2, 35, "type")
