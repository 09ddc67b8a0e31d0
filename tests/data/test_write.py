"""Rows written as records: whatever a shape can hold comes back the same, and the rest is named."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.rows import Message, Row, messages_from_json, messages_to_json
from engine.data.write import SHAPES_WRITTEN, record_of
from engine.errors import Problem
from tests.data.reading import shape

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
FILLED = TEXT.filter(lambda text: bool(text.strip()))
TRAINED = st.sampled_from([None, None, True, False])
NAMES = st.sampled_from(["", "", "look", "ü"])
ARGUMENTS = st.one_of(
    st.dictionaries(
        TEXT, st.one_of(TEXT, st.integers(-9, 9), st.none(), st.booleans()), max_size=2
    ),
    st.sampled_from(["", "x=1", "[1]", "{"]),
)


def calls(draw: st.DrawFn, *, ids: bool) -> str:
    made = []
    for at in range(draw(st.integers(1, 2))):
        function = {"name": draw(FILLED), "arguments": draw(ARGUMENTS)}
        call: dict[str, Any] = {"type": "function", "function": function}
        made.append({**call, "id": f"call{at}"} if ids else call)
    return json.dumps(made, ensure_ascii=False)


@st.composite
def conversations(draw: st.DrawFn, rich: bool = True) -> Row:
    """A row as reading makes them; `rich` ones hold names, weights and tools."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message("system", draw(TEXT)))
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", draw(FILLED), name=draw(NAMES) if rich else ""))
        if rich and draw(st.booleans()):
            ids = draw(st.booleans())
            called = calls(draw, ids=ids)
            messages.append(Message("assistant", draw(TEXT), draw(TRAINED), called))
            for call in json.loads(called):
                messages.append(Message("tool", draw(TEXT), tool_call_id=call.get("id", "")))
        trained = draw(TRAINED) if rich else None
        messages.append(Message("assistant", draw(FILLED), trained))
    if not any(m.learned for m in messages):
        messages[-1] = Message("assistant", "learned")
    definition = {"type": "function", "function": {"name": "look", "parameters": {}}}
    tools = json.dumps([definition]) if rich and draw(st.booleans()) else ""
    return Row(1, 1, tuple(messages), tools)


RAW = st.builds(lambda text: Row(1, 1, (Message("assistant", text),), raw=True), FILLED)
ROWS = st.one_of(conversations(), conversations(rich=False), RAW)


def read_back(record: dict[str, Any]) -> tuple[str, list[Row], int]:
    with tempfile.TemporaryDirectory() as folder:
        shaped, log = shape(Path(folder), [record])
    assert shaped.notes == []
    return shaped.format, shaped.rows, log.total


@pytest.mark.parametrize("name", SHAPES_WRITTEN)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(row=ROWS)
def test_what_a_shape_can_hold_comes_back_the_same(name: str, row: Row) -> None:
    said = ""
    try:
        record = record_of(row, name)
    except Problem as problem:
        said = str(problem)
    if said:
        assert "has no place for" in said
        return
    assert read_back(record) == (name, [row], 0)


@settings(max_examples=100, deadline=None)
@given(row=conversations())
def test_messages_hold_every_conversation(row: Row) -> None:
    assert read_back(record_of(row, "messages")) == ("messages", [row], 0)
    with pytest.raises(Problem, match="no place for the turns"):
        record_of(row, "text")


@settings(max_examples=100, deadline=None)
@given(row=conversations(rich=False))
def test_plain_conversations_fit_the_chat_shapes(row: Row) -> None:
    assert read_back(record_of(row, "sharegpt")) == ("sharegpt", [row], 0)
    if row.system is None or row.system.strip():
        assert read_back(record_of(row, "alpaca")) == ("alpaca", [row], 0)


@settings(max_examples=100, deadline=None)
@given(row=ROWS)
def test_rows_come_back_from_their_json(row: Row) -> None:
    tree = json.loads(json.dumps(row.to_json()))
    assert Row.from_json(tree) == row
    assert Row.from_json(tree).id == row.id
    assert messages_from_json(messages_to_json(row.messages)) == row.messages


QUESTION, ANSWER = Message("user", "q"), Message("assistant", "a")
CALL = json.dumps([{"type": "function", "function": {"name": "f", "arguments": {}}, "id": "1"}])
CALLING = (QUESTION, Message("assistant", "", tool_calls=CALL))


@pytest.mark.parametrize(
    ("row", "name", "words"),
    [
        (Row(7, 7, CALLING), "alpaca", "record 7: alpaca has no place for tool calls"),
        (Row(7, 7, CALLING), "sharegpt", "the id of a tool call"),
        (Row(7, 7, (QUESTION, Message("assistant", "a", True))), "alpaca", "weight"),
        (Row(7, 7, (QUESTION, ANSWER) * 2), "prompt/completion", "earlier answer"),
        (Row(7, 7, (QUESTION, ANSWER)), "text", "turns of a conversation"),
        (Row(7, 7, (Message("assistant", "a"),), raw=True), "messages", "save as text"),
        (Row(7, 7, (QUESTION, ANSWER), raw=True), "text", "only parts are learned"),
        (Row(7, 7, (QUESTION, ANSWER)), "parquet", "use one of messages"),
    ],
)
def test_what_a_shape_cannot_hold_is_named(row: Row, name: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        record_of(row, name)
