"""Conversations: a list of turns under one of several names."""

from __future__ import annotations

from typing import Any

from engine.data.shapes.declared import Content, Kind, Shape
from engine.data.shapes.instruction import system_turn
from engine.data.shapes.order import check_conversation
from engine.data.shapes.tools import row_tools
from engine.data.shapes.turns import read_turns
from engine.data.shapes.unfit import Path, Unfit

OTHER_KEYS = ("conversation", "dialog", "dialogue", "texts", "chat")
"""Names that mean turns only when they hold a list."""
SHAREGPT_KEYS = ("conversations", *OTHER_KEYS)


def parse_messages(value: dict[str, Any]) -> Content:
    if value.get("text"):
        what = "both 'text' and 'messages' are there, and either could be meant"
        fix = "remove one of them, or set data.format: messages or text"
        raise Unfit(("text",), "ambiguous", what, fix)
    return messages_only(value)


def messages_only(value: dict[str, Any]) -> Content:
    """The same where it is settled that the messages are meant."""
    return _conversation(value, value["messages"], ("messages",))


def parse_sharegpt(value: dict[str, Any]) -> Content:
    key = chat_key(value)
    return _conversation(value, value[key], (key,))


def chat_key(value: dict[str, Any]) -> str:
    """The field that holds the turns, one that is a list before one that is not."""
    there = [name for name in SHAREGPT_KEYS if name in value]
    return next((name for name in there if isinstance(value[name], list)), there[0])


def _conversation(value: dict[str, Any], turns: Any, path: Path) -> Content:
    messages = check_conversation(read_turns(turns, path), path)
    system = system_turn(value)
    if system and messages[0].role == "system":
        if messages[0].content != system[0].content:
            what = "the field 'system' and the first turn are two different system texts"
            raise Unfit(("system",), "order", what, "keep one of them")
        system = ()
    return Content((*system, *messages), row_tools(value))


_OPTIONAL = ("system", "tools", "functions", "parallel_tool_calls")
_LISTS: tuple[tuple[str, Kind], ...] = tuple((name, "list") for name in OTHER_KEYS)

MESSAGES = Shape("messages", (("messages",),), _OPTIONAL, parse_messages)
SHAREGPT = Shape("sharegpt", (SHAREGPT_KEYS,), _OPTIONAL, parse_sharegpt, kinds=_LISTS)
