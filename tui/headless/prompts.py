"""Prompts from a person's file: a line each, or JSON lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.data.rows import Message, messages_to_json
from engine.data.shapes.tools import row_tools
from engine.data.shapes.turns import read_turns
from engine.data.shapes.unfit import Unfit
from engine.errors import Problem
from engine.text import clean
from tui.answers import Prompt, prompt_of, typed

MAX_BYTES = 10_000_000
ROLES = ("system", "user", "assistant", "tool")
SHAPE = 'write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}'


def read_prompts(path: Path, system: str) -> list[Prompt]:
    """Every prompt of a file; those without a system prompt of their own get `system`."""
    name = clean(path, 200, lines=False)
    lines = _read(path, name).splitlines()
    given = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not given:
        raise Problem(name, "holds no prompt", "write one a line")
    json_lines = path.suffix.lower() == ".jsonl" or given[0][1].lstrip().startswith("{")
    return [
        _from_json(line, f"{name}:{at}", system, count)
        if json_lines
        else _numbered(typed(system, line), count)
        for count, (at, line) in enumerate(given, start=1)
    ]


def _read(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Problem(name, "is larger than 10 MB, too large for prompts", "take fewer")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(
            name, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"
        ) from error
    except OSError as error:
        raise Problem(name, f"cannot be read ({error.strerror})", "check the name") from error


def _from_json(line: str, where: str, system: str, number: int) -> Prompt:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Problem(where, "is not JSON", SHAPE) from error
    if not isinstance(tree, dict):
        raise Problem(where, "is no JSON object", SHAPE)
    reference = tree.get("reference", "")
    if isinstance(tree.get("prompt"), str):
        own = tree.get("system", system)
        return _numbered(
            typed(own if isinstance(own, str) else "", tree["prompt"]), number, reference
        )
    messages = _messages(tree.get("messages"), where)
    if messages[0].role != "system" and system:
        messages = (Message("system", system), *messages)
    try:
        tools = row_tools(tree)
    except Unfit as unfit:
        raise Problem(where, unfit.what, unfit.fix) from unfit
    given = {"messages": messages_to_json(messages), "tools": tools}
    return _numbered(prompt_of(given, "", number), number, reference)


def _messages(given: Any, where: str) -> tuple[Message, ...]:
    """A conversation that waits for an answer, tool calls and results as in the data."""
    if not isinstance(given, list) or not given:
        raise Problem(where, "has neither prompt nor messages", SHAPE)
    for turn in given:
        if not isinstance(turn, dict) or turn.get("role") not in ROLES:
            raise Problem(where, "a message has no role that is known", "use " + ", ".join(ROLES))
        if not isinstance(turn.get("content"), str) and not turn.get("tool_calls"):
            raise Problem(where, "a message has no text", SHAPE)
    try:
        turns = [message for _, message in read_turns(given, ("messages",))]
    except Unfit as unfit:
        raise Problem(where, unfit.what, unfit.fix) from unfit
    if turns[-1].role not in ("user", "tool"):
        raise Problem(where, "the last message is not the user's", "leave the answer out")
    return tuple(turns)


def _numbered(prompt: Prompt, number: int, reference: Any = "") -> Prompt:
    said = reference if isinstance(reference, str) else ""
    return replace(prompt, reference=said, number=number)
