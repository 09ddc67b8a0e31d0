"""Conversations with tools as their publishers write them: calls, results and definitions in one
form, whatever the words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.reading import shape

USER, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
ARGUMENTS = {"place": "Rome", "days": 1.5}
CALL = {"name": "weather", "arguments": ARGUMENTS}
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}}
DEFINED = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}
HUMAN, GPT = {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}
WORDED = f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"
SYSTEM = (
    "You are a helpful assistant with access to the following functions. Use them if required -"
)

SETS: dict[str, tuple[dict[str, Any], str]] = {
    "Anthropic": (
        {"messages": [
            USER,
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t1", "name": "weather", "input": ARGUMENTS}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sunny"}]}]},
            ANSWER],
         "tools": [{"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}]},
        "t1",
    ),
    "Bedrock": (
        {"messages": [
            {"role": "user", "content": [{"text": "q", "toolResult": None}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "t1", "name": "weather", "input": ARGUMENTS}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}], "status": "success"}}]},
            ANSWER],
         "toolConfig": {"tools": [{"toolSpec": {
             "name": "weather", "description": "Tells it.", "inputSchema": {"json": SCHEMA}}}]}},
        "t1",
    ),
    "Mistral": (
        {"messages": [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "t1", "type": "function", "function": {**CALL, "arguments": json.dumps(ARGUMENTS)}}]},
            {"role": "tool", "name": "", "content": "sunny", "tool_call_id": "t1"}, ANSWER],
         "tools": [{"type": "function", "function": DEFINED}]},
        "t1",
    ),
    "Hermes": (
        {"conversations": [
            HUMAN, {"from": "gpt", "value": f"{WORDED}\n"},
            {"from": "tool", "value": "<tool_response>\nsunny\n</tool_response>\n"}, GPT],
         "tools": json.dumps([{"type": "function", "function": DEFINED}])},
        "",
    ),
    "Hermes, as Python writes it": (
        {"conversations": [
            HUMAN, {"from": "gpt", "value": f"<tool_call>\n{CALL}\n</tool_call>"},
            {"from": "tool", "value": "<tool_response>\nsunny\n</tool_response>"}, GPT],
         "tools": json.dumps([DEFINED])},
        "",
    ),
    "ShareGPT with calls": (
        {"conversations": [
            HUMAN, {"from": "function_call", "value": json.dumps(CALL)},
            {"from": "observation", "value": "sunny"}, GPT],
         "tools": json.dumps([DEFINED])},
        "",
    ),
    "glaive-function-calling-v2": (
        {"system": f"SYSTEM: {SYSTEM}\n{json.dumps(DEFINED, indent=4)}\n",
         "chat": "USER: q\n\n\nASSISTANT: <functioncall> " + json.dumps(CALL) + " <|endoftext|>\n\n\n"
                 "FUNCTION RESPONSE: sunny\n\n\nASSISTANT: a <|endoftext|>\n\n\n"},
        "",
    ),
    "glaive-function-calling-v2, quoted": (
        {"system": f"SYSTEM: {SYSTEM}\n{json.dumps(DEFINED)}\n",
         "chat": "USER: q\n\n\nASSISTANT: <functioncall> {\"name\": \"weather\", \"arguments\": '"
                 + json.dumps(ARGUMENTS) + "'} <|endoftext|>\n\n\n"
                 "FUNCTION RESPONSE: sunny\n\n\nASSISTANT: a <|endoftext|>"},
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_call_result_and_definition_are_the_same(tmp_path: Path, name: str) -> None:
    value, id_ = SETS[name]
    shaped, log = shape(tmp_path, [value] * 2)
    assert log.faults == []
    row = shaped.rows[0]
    messages = list(row.messages)
    if "glaive" in name:
        assert (messages[0].role, messages.pop(0).content) == ("system", SYSTEM)
    said = [("user", "q"), ("assistant", ""), ("tool", "sunny"), ("assistant", "a")]
    assert [(m.role, m.content) for m in messages] == said
    (call,) = messages[1].calls
    assert call == {"type": "function", "function": CALL, **({"id": id_} if id_ else {})}
    assert messages[2].tool_call_id == id_
    assert json.loads(row.tools) == [{"type": "function", "function": DEFINED}]


def test_gemini_names_its_results(tmp_path: Path) -> None:
    value = {
        "contents": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": ARGUMENTS}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "weather", "response": {"x": 1}}}],
            },
            {"role": "model", "parts": [{"text": "a"}]},
        ],
        "tools": [{"functionDeclarations": [DEFINED]}],
    }
    shaped, log = shape(tmp_path, [value] * 2)
    assert (shaped.format, log.faults) == ("gemini", [])
    _, answer, result, _ = shaped.rows[0].messages
    assert [call["function"] for call in answer.calls] == [CALL]
    assert (result.role, result.content, result.name) == ("tool", '{"x": 1}', "weather")
    assert json.loads(shaped.rows[0].tools) == [{"type": "function", "function": DEFINED}]


def test_xlam_learns_the_calls(tmp_path: Path) -> None:
    value = {
        "id": 0,
        "query": "q",
        "answers": json.dumps([CALL, CALL]),
        "tools": json.dumps([DEFINED]),
    }
    shaped, log = shape(tmp_path, [value] * 2)
    assert (shaped.format, log.faults) == ("xlam", [])
    question, answer = shaped.rows[0].messages
    assert (question.content, answer.content) == ("q", "")
    assert [call["function"] for call in answer.calls] == [CALL, CALL]
    assert json.loads(shaped.rows[0].tools) == [{"type": "function", "function": DEFINED}]


def test_a_call_in_words_of_its_own_stays_text(tmp_path: Path) -> None:
    said = "[Get Weather(place='Rome')]"
    turns = [
        HUMAN,
        {"from": "assistant", "value": said},
        {"from": "tool", "value": "[sunny]"},
        {"from": "assistant", "value": "a"},
    ]
    shaped, log = shape(tmp_path, [{"system": "s", "conversations": turns}] * 2)
    assert log.faults == []
    assert [(m.role, m.content, m.tool_calls) for m in shaped.rows[0].messages] == [
        ("system", "s", ""),
        ("user", "q", ""),
        ("assistant", said, ""),
        ("tool", "[sunny]", ""),
        ("assistant", "a", ""),
    ]
    assert shaped.notes == ["the calls of 2 rows stay the text that they are written in"]


@pytest.mark.parametrize(
    ("text", "content", "count"),
    [
        (f"Let me see.\n{WORDED}", "Let me see.", 1),
        (f"{WORDED}\n{WORDED}", "", 2),
        (f"{WORDED} and so on", f"{WORDED} and so on", 0),
        ("<tool_call>\noops\n</tool_call>", "<tool_call>\noops\n</tool_call>", 0),
        ("Write <tool_call> to call.", "Write <tool_call> to call.", 0),
        (
            '<tool_call>{"name": "f", "arguments": {}, "x": 1}</tool_call>',
            '<tool_call>{"name": "f", "arguments": {}, "x": 1}</tool_call>',
            0,
        ),
    ],
)
def test_a_call_in_tags_is_read_only_where_nothing_is_lost(
    tmp_path: Path, text: str, content: str, count: int
) -> None:
    shaped, log = shape(tmp_path, [{"conversations": [HUMAN, {"from": "gpt", "value": text}]}])
    assert log.faults == []
    answer = shaped.rows[0].messages[-1]
    assert (answer.content, len(answer.calls)) == (content, count)


def test_results_in_one_turn_are_a_message_each(tmp_path: Path) -> None:
    results = "<tool_response>\nx\n</tool_response>\n<tool_response>\n<b>y</b>\n</tool_response>\n"
    turns = [
        HUMAN,
        {"from": "gpt", "value": f"{WORDED}\n{WORDED}"},
        {"from": "tool", "value": results},
        GPT,
    ]
    shaped, log = shape(tmp_path, [{"conversations": turns}])
    assert log.faults == []
    assert [m.content for m in shaped.rows[0].messages if m.role == "tool"] == ["x", "<b>y</b>"]


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"messages": [{**USER, "content": [{"type": "tool_use", "name": "f", "input": {}}]}, ANSWER]},
         "tools", "a call among the parts of a user turn"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "tool_use", "input": {}}]}]},
         "tools", "a call has no name"),
        ({"messages": [USER, {"role": "user", "content": [{"type": "tool_result", "content": "x"}]}, ANSWER]},
         "tools", "a tool result without a call"),
        ({"messages": [USER, ANSWER], "tools": [{"googleSearch": {}}]}, "tools", "has no name"),
        ({"messages": [USER, ANSWER], "tools": [DEFINED], "toolConfig": {"tools": [DEFINED]}},
         "tools", "both 'tools' and 'toolConfig'"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {}}]},
                       {"role": "user", "content": [{"type": "tool_result", "content": "x", "is_error": True}]},
                       ANSWER]}, "unsupported", "marked as an error"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {}}]},
                       {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]},
                       ANSWER]}, "unsupported", 'type "image"'),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_named(
    tmp_path: Path, value: dict[str, Any], code: str, words: str
) -> None:
    shaped, log = shape(tmp_path, [{"messages": [USER, ANSWER]}, value])
    (fault,) = log.faults
    assert (fault.line, fault.code) == (2, code)
    assert words in str(fault)
    assert len(shaped.rows) == 1


def test_a_call_that_is_no_json_in_a_transcript(tmp_path: Path) -> None:
    good = {"system": "", "chat": "USER: q\n\n\nASSISTANT: a <|endoftext|>\n\n\n"}
    bad = {"system": "", "chat": "USER: q\n\n\nASSISTANT: <functioncall> {oops} <|endoftext|>"}
    shaped, log = shape(tmp_path, [good, good, bad])
    assert [(fault.line, fault.code) for fault in log.faults] == [(3, "tools")]
    assert [(m.role, m.content) for m in shaped.rows[0].messages] == [
        ("user", "q"),
        ("assistant", "a"),
    ]
