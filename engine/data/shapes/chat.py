"""Conversations: a list of turns under one of several names."""

from __future__ import annotations

from typing import Any

from engine.data.rows import Message
from engine.data.shapes.declared import Content, Kind, Refusal, Shape
from engine.data.shapes.order import check_conversation
from engine.data.shapes.parts import read_part_texts
from engine.data.shapes.tools import TOOL_FIELDS, row_tools
from engine.data.shapes.turns import read_turns
from engine.data.shapes.unfit import Path, Unfit

OTHER_KEYS = ("conversation", "dialog", "dialogue", "texts", "chat", "items", "data")
"""Names that mean turns only when they hold a list."""
SYSTEM_FIELDS = ("system", "system_prompt", "systemInstruction", "system_instruction")
PICTURES = ("image", "images", "video", "videos", "audio", "audios")
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


def _parse_contents(value: dict[str, Any]) -> Content:
    return _conversation(value, value["contents"], ("contents",))


def chat_key(value: dict[str, Any]) -> str:
    """The field that holds the turns, one that is a list before one that is not."""
    there = [name for name in SHAREGPT_KEYS if name in value]
    return next((name for name in there if isinstance(value[name], list)), there[0])


def _conversation(value: dict[str, Any], turns: Any, path: Path) -> Content:
    _refuse_pictures(value)
    messages = check_conversation(read_turns(turns, path), path)
    system = _system(value)
    if system and messages[0].role == "system":
        if messages[0].content.strip() != system.strip():
            what = "the record's system text and its first turn are two different system texts"
            raise Unfit((_system_field(value),), "order", what, "keep one of them")
        system = ""
    before = (Message("system", system),) if system else ()
    return Content((*before, *messages), row_tools(value))


def _system_field(value: dict[str, Any]) -> str:
    return next((name for name in SYSTEM_FIELDS if value.get(name)), "")


def _system(value: dict[str, Any]) -> str:
    """The record's own system text; empty where there is none that is not blank."""
    name = _system_field(value)
    text = read_part_texts(value[name], (name,)) if name else ""
    return text if text.strip() else ""


def _refuse_pictures(value: dict[str, Any]) -> None:
    """A turn that speaks of a picture or a sound is nothing without it."""
    name = next((name for name in PICTURES if value.get(name)), None)
    if name:
        what = f"the record holds pictures or sound ('{name}'): only text is trained on"
        raise Unfit((name,), "unsupported", what, "leave this row out")


_OPTIONAL = ("system", "tools", "functions", "parallel_tool_calls")
_ALSO = (*SYSTEM_FIELDS, *TOOL_FIELDS)
_LISTS: tuple[tuple[str, Kind], ...] = tuple((name, "list") for name in OTHER_KEYS)

MESSAGES = Shape("messages", (("messages",),), _OPTIONAL, parse_messages, also=_ALSO)
SHAREGPT = Shape("sharegpt", (SHAREGPT_KEYS,), _OPTIONAL, parse_sharegpt, kinds=_LISTS, also=_ALSO)
CONTENTS = Shape(
    "gemini",
    (("contents",),),
    _OPTIONAL,
    _parse_contents,
    kinds=(("contents", "list"),),
    also=_ALSO,
)
TURNS = Shape(
    "turns",
    (("role", "from"), ("content", "value", "parts")),
    refusal=Refusal(
        "each record is one turn of a conversation, not a conversation",
        'put the turns of a conversation into one record: {"messages": [{"role", "content"}, …]}',
    ),
)
_JOIN = Refusal(
    "these are the messages of conversation trees (oasst), each in a record of its own or in its "
    "parent's replies",
    'write each path from a prompt to an answer as one record: {"messages": [{"role", "content"}, …]}',
)
TREES = (
    Shape("tree", (("message_id",), ("parent_id",), ("text",), ("role",)), refusal=_JOIN),
    Shape(
        "tree", (("message_tree_id",), ("prompt",)), kinds=(("prompt", "object"),), refusal=_JOIN
    ),
)
