"""A row as a record of a shape: the way back, for saving rows to a file.

What a shape cannot hold is a Problem that names it; nothing is left out in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from engine.data.rows import Message, Row
from engine.errors import Problem

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def record_of(row: Row, shape: str) -> dict[str, Any]:
    """The record that makes this row when it is read. Raises Problem where `shape` cannot hold
    it, or is none that is written."""
    if shape not in WRITERS:
        names = ", ".join(WRITERS)
        raise Problem("shape", f'"{shape[:40]}" is not written', f"use one of {names}")
    if row.raw and shape != "text":
        raise _unheld(row, shape, "a text without turns", "text")
    return WRITERS[shape](row)


def _messages(row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {"messages": [_turn(message) for message in row.messages]}
    return {**record, **_tools(row)}


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name:
        turn["name"] = message.name
    if message.tool_calls:
        turn["content"] = message.content or None
        turn["tool_calls"] = message.calls
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    return {**turn, **_weight(message)}


def _sharegpt(row: Row) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    for message in row.messages:
        if message.name or message.tool_call_id or any("id" in call for call in message.calls):
            raise _unheld(row, "sharegpt", "the name of a turn or the id of a tool call")
        if message.content or not message.tool_calls:
            said = {"from": SPEAKERS[message.role], "value": message.content}
            turns.append({**said, **_weight(message)})
        if message.tool_calls:
            functions = [call["function"] for call in message.calls]
            value = json.dumps(
                functions if len(functions) > 1 else functions[0], ensure_ascii=False
            )
            turns.append({"from": "function_call", "value": value, **_weight(message)})
    return {"conversations": turns, **({"tools": row.tools} if row.tools else {})}


def _alpaca(row: Row) -> dict[str, Any]:
    before, turns = _system_apart(row, "alpaca")
    for message in turns:
        if message.tool_calls or message.role == "tool":
            raise _unheld(row, "alpaca", "tool calls")
        if message.trained is not None:
            raise _unheld(row, "alpaca", "the weight of an answer")
        if message.name or message.tool_call_id:
            raise _unheld(row, "alpaca", "the name of a turn")
    said = [message.content for message in turns]
    history = [list(pair) for pair in zip(said[:-2:2], said[1:-2:2], strict=True)]
    record: dict[str, Any] = {"instruction": said[-2], "input": "", "output": said[-1], **before}
    if history:
        record["history"] = history
    return {**record, **_tools(row)}


def _prompt_completion(row: Row) -> dict[str, Any]:
    *earlier, last = row.messages
    if any(m.learned for m in earlier):
        raise _unheld(row, "prompt/completion", "an earlier answer that is learned")
    plain = [m for m in row.messages if m == Message(m.role, m.content)]
    roles = [m.role for m in row.messages]
    if len(plain) == len(roles) and roles in (
        ["user", "assistant"],
        ["system", "user", "assistant"],
    ):
        system = row.system
        if system is None or system.strip():
            named = {} if system is None else {"system": system}
            return {
                "prompt": earlier[-1].content,
                "completion": last.content,
                **named,
                **_tools(row),
            }
    prompt = [{k: v for k, v in _turn(m).items() if k != "weight"} for m in earlier]
    return {"prompt": prompt, "completion": [_turn(last)], **_tools(row)}


def _text(row: Row) -> dict[str, Any]:
    if not row.raw:
        raise _unheld(row, "text", "the turns of a conversation")
    if len(row.messages) != 1 or row.messages[0].role != "assistant":
        raise _unheld(row, "text", "a text of which only parts are learned", "")
    if row.messages[0].trained is not None or row.tools:
        raise _unheld(row, "text", "a weight or tools")
    return {"text": row.messages[0].content}


def _system_apart(row: Row, shape: str) -> tuple[dict[str, str], tuple[Message, ...]]:
    """The system text as a field of its own, and the turns after it."""
    if row.system is None:
        return {}, row.messages
    if not row.system.strip():
        raise _unheld(row, shape, "an empty system text")
    if row.messages[0].name:
        raise _unheld(row, shape, "the name of a turn")
    return {"system": row.system}, row.messages[1:]


def _weight(message: Message) -> dict[str, int]:
    return {} if message.trained is None else {"weight": int(message.trained)}


def _tools(row: Row) -> dict[str, Any]:
    return {"tools": json.loads(row.tools)} if row.tools else {}


def _unheld(row: Row, shape: str, what: str, other: str = "messages") -> Problem:
    fix = f"save as {other}, or leave the row out" if other else "leave the row out"
    return Problem(f"record {row.number}", f"{shape} has no place for {what}", fix)


WRITERS: dict[str, Callable[[Row], dict[str, Any]]] = {
    "messages": _messages,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "prompt/completion": _prompt_completion,
    "text": _text,
}
SHAPES_WRITTEN = tuple(WRITERS)
