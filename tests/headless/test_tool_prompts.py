"""Prompts with tools: from a person's file and from held-out rows, to the ids a model starts from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.data.rows import Message, Row, messages_from_json, messages_to_json
from engine.data.tokens import encode_row, prompt_ids
from engine.errors import Problem
from tests.tiny import tiny_tokenizer
from tui.answers import Prompt, held_out
from tui.headless.prompts import read_prompts

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"place": "Rome"}}}
ASKED = {
    "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "sunny", "name": "weather"},
    ],
    "tools": [{"name": "weather", "parameters": {}}],
}
ROW = Row(
    1,
    1,
    (
        Message("user", "Weather?"),
        Message("assistant", "", tool_calls=json.dumps([CALL])),
        Message("tool", "sunny", name="weather"),
        Message("assistant", "Sunny."),
    ),
    json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}]),
)


def start_of(prompt: Prompt) -> list[int]:
    tree = prompt.to_json()
    messages = messages_from_json(tree["messages"])
    tools, raw = tree.get("tools", ""), tree.get("raw", False)
    return prompt_ids(tiny_tokenizer(), messages, tools, raw=raw)


def shown(row: Row) -> Prompt:
    given = {"messages": messages_to_json(row.prompt), "tools": row.tools, "raw": row.raw}
    (prompt,) = held_out({"prompts": [{**given, "reference": row.answer}]})
    return prompt


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        Row(1, 1, (Message("user", "a"), Message("assistant", "b", True)) * 2),
        Row(1, 1, (Message("user", "Q: a A:"), Message("assistant", " b")), raw=True),
    ],
)
def test_a_held_out_row_is_asked_as_it_was_trained(row: Row) -> None:
    ids = encode_row(tiny_tokenizer(), row, None).ids.tolist()
    start = start_of(shown(row))
    assert 0 < len(start) < len(ids)
    assert ids[: len(start)] == start


def test_a_plain_row_needs_nothing_but_its_turns() -> None:
    prompt = shown(Row(1, 1, (Message("user", "a"), Message("assistant", "b"))))
    assert prompt == Prompt((("user", "a"),), "b", 1)


def test_a_file_of_prompts_may_hold_calls_and_results(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(ASKED))
    (prompt,) = read_prompts(path, "")
    assert start_of(prompt) == start_of(shown(ROW))
    assert "weather" in prompt.words


def test_calls_that_are_none_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({**ASKED, "tools": [{}]}))
    with pytest.raises(Problem, match=r"p\.jsonl:1: a tool definition has no name"):
        read_prompts(path, "")
