"""Conversations with tools: how calls, results and definitions are read, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.reading import shape

USER = {"role": "user", "content": "weather?"}
ANSWER = {"role": "assistant", "content": "It is sunny."}
FUNCTION = {"name": "weather", "arguments": {"place": "Rome", "days": 1.5}}
CALL = {"id": "c1", "type": "function", "function": FUNCTION}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
DEFINED = {"name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}


def test_calls_results_and_definitions_of_messages(tmp_path: Path) -> None:
    turns = [USER, {**CALLS, "content": "Let me see."}, RESULT, ANSWER, USER, ANSWER]
    value = {"messages": turns, "tools": [{"type": "function", "function": DEFINED}]}
    shaped, log = shape(tmp_path, [value])
    assert (log.faults, shaped.notes) == ([], [])
    (row,) = shaped.rows
    assert [m.role for m in row.messages] == [turn["role"] for turn in turns]
    assert row.messages[1].content == "Let me see."
    assert row.messages[1].calls == [CALL]
    assert (row.messages[2].content, row.messages[2].tool_call_id) == ("sunny", "c1")
    assert json.loads(row.tools) == value["tools"]
    assert (
        row.messages[1].text
        == 'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"place": "Rome", "days": 1.5}}\n</tool_call>'
    )


@pytest.mark.parametrize(
    "call",
    [
        CALL,
        {
            "id": "c1",
            "function": {"name": "weather", "arguments": json.dumps(FUNCTION["arguments"])},
        },
        {"id": "c1", "index": 0, "type": "function", "function": {**FUNCTION, "strict": None}},
    ],
)
def test_one_call_in_other_words_is_the_same_row(tmp_path: Path, call: dict[str, Any]) -> None:
    plain = {"messages": [USER, CALLS, RESULT, ANSWER]}
    other = {"messages": [USER, {**CALLS, "tool_calls": [call]}, RESULT, ANSWER]}
    shaped, log = shape(tmp_path, [plain, other])
    assert log.faults == []
    assert shaped.rows[0].messages == shaped.rows[1].messages
    assert shaped.rows[0].id == shaped.rows[1].id


@pytest.mark.parametrize(
    "tools",
    [
        [DEFINED],
        json.dumps([DEFINED]),
        [{"type": "function", "function": DEFINED}],
    ],
)
def test_definitions_in_other_words_are_the_same(tmp_path: Path, tools: Any) -> None:
    (row,) = shape(tmp_path, [{"messages": [USER, ANSWER], "tools": tools}])[0].rows
    assert json.loads(row.tools) == [{"type": "function", "function": DEFINED}]
    (old,) = shape(tmp_path, [{"messages": [USER, ANSWER], "functions": [DEFINED]}])[0].rows
    assert (old.tools, old.id) == (row.tools, row.id)
    (none,) = shape(tmp_path, [{"messages": [USER, ANSWER], "tools": "[]"}])[0].rows
    assert none.tools == ""
    assert none.id != row.id


def test_the_old_function_call(tmp_path: Path) -> None:
    turns = [
        USER,
        {"role": "assistant", "content": None, "function_call": FUNCTION},
        {"role": "function", "name": "weather", "content": "sunny"},
        ANSWER,
    ]
    (row,) = shape(tmp_path, [{"messages": turns}])[0].rows
    assert row.messages[1].calls == [{"type": "function", "function": FUNCTION}]
    assert (row.messages[2].role, row.messages[2].name) == ("tool", "weather")


def test_calls_and_results_of_sharegpt(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "weather?"},
        {"from": "gpt", "value": "Let me see."},
        {"from": "function_call", "value": json.dumps([FUNCTION, FUNCTION])},
        {"from": "observation", "value": "sunny"},
        {"from": "tool", "value": "dry"},
        {"from": "function_call", "value": json.dumps(FUNCTION)},
        {"from": "observation", "value": ""},
        {"from": "gpt", "value": "It is sunny."},
    ]
    value = {"conversations": turns, "tools": json.dumps([DEFINED])}
    shaped, log = shape(tmp_path, [value])
    assert log.faults == []
    (row,) = shaped.rows
    roles = ["user", "assistant", "tool", "tool", "assistant", "tool", "assistant"]
    assert [m.role for m in row.messages] == roles
    assert (row.messages[1].content, len(row.messages[1].calls)) == ("Let me see.", 2)
    assert (row.messages[4].content, row.messages[4].calls[0]["function"]) == ("", FUNCTION)


def test_a_conversation_may_end_with_a_call(tmp_path: Path) -> None:
    shaped, log = shape(tmp_path, [{"messages": [USER, CALLS]}])
    assert log.faults == []
    assert shaped.rows[0].answer.startswith("<tool_call>\n")


BROKEN: list[tuple[list[dict[str, Any]], str, str]] = [
    ([USER, CALLS, ANSWER], "tools", "a tool call without its result"),
    ([USER, CALLS, USER, ANSWER], "tools", "a tool call without its result"),
    ([USER, RESULT, ANSWER], "tools", "a tool result without a call"),
    ([RESULT, ANSWER], "tools", "a tool result without a call"),
    ([USER, ANSWER, RESULT, ANSWER], "tools", "a tool result without a call"),
    ([USER, CALLS, RESULT, RESULT, ANSWER], "tools", "a tool result without a call"),
    (
        [USER, CALLS, {**RESULT, "tool_call_id": "c2"}, ANSWER],
        "tools",
        'for "c2", which no call',
    ),
    (
        [USER, {**CALLS, "tool_calls": [CALL, {**CALL, "id": "c2"}]}, RESULT, ANSWER],
        "tools",
        "a tool call without its result",
    ),
    ([USER, CALLS, RESULT, USER, ANSWER], "order", "after a tool result is missing"),
    ([USER, CALLS, RESULT], "order", "the last turn is not the assistant's"),
    ([{**USER, "tool_calls": [CALL]}, ANSWER], "tools", "on a user turn"),
    ([USER, {**CALLS, "function_call": FUNCTION}, RESULT, ANSWER], "tools", "both"),
    ([USER, {**CALLS, "tool_calls": [{**CALL, "typ": "x"}]}], "tools", 'did you mean "type"?'),
    (
        [USER, {**CALLS, "tool_calls": [{"name": "x", "parameters": {}}]}],
        "tools",
        '"parameters", which is not known',
    ),
    ([USER, {**CALLS, "tool_calls": [{"name": "x", "arguments": 3}]}], "tools", "'arguments'"),
    ([USER, {**CALLS, "tool_calls": "{oops"}], "tools", "not valid JSON"),
    ([USER, {**CALLS, "tool_calls": 3}], "tools", "expected a list of calls"),
    ([USER, {"role": "tool_call", "content": "look"}], "tools", "not valid JSON"),
    ([USER, CALLS, {**RESULT, "tool_call_id": 3}, ANSWER], "type", "'tool_call_id' is a number"),
]


@pytest.mark.parametrize(("turns", "code", "words"), BROKEN)
def test_tools_that_do_not_fit_are_faults(
    tmp_path: Path, turns: list[dict[str, Any]], code: str, words: str
) -> None:
    shaped, log = shape(tmp_path, [{"messages": [USER, ANSWER]}, {"messages": turns}])
    (fault,) = log.faults
    assert (fault.line, fault.code) == (2, code)
    assert words in str(fault)
    assert len(shaped.rows) == 1


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ("{oops", "not valid JSON"),
        ([{}], "has no name"),
        (["x"], "a tool is text"),
        ({"name": "x"}, "expected a list of tools"),
        (3, "expected a list of tools"),
    ],
)
def test_definitions_that_are_none_are_faults(tmp_path: Path, tools: Any, words: str) -> None:
    _, log = shape(tmp_path, [{"messages": [USER, ANSWER], "tools": tools}])
    assert [fault.code for fault in log.faults] == ["tools"]
    assert words in str(log.faults[0])
