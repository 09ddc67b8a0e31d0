"""Conversations written as one text, each turn behind the name of its speaker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from engine.data.containers import json_text
from engine.data.rows import Message
from engine.data.shapes.declared import Content, Shape
from engine.data.shapes.order import Turn, check_conversation
from engine.data.shapes.tools import read_function_call, read_tools
from engine.data.shapes.unfit import Path, Unfit, optional_text, read_text
from engine.data.shapes.worded import call_of


@dataclass(frozen=True)
class Style:
    """How a data set marks its turns: `begins` tells one, `marks` stands before each turn and names
    its speaker, `end` is written behind an answer."""

    begins: re.Pattern[str]
    marks: re.Pattern[str]
    end: str = ""


_SPEAKERS = {
    "human": "user", "user": "user", "assistant": "assistant", "ai": "assistant",
    "function response": "tool",
}  # fmt: skip
STYLES = (
    Style(re.compile(r"\s*\n\nHuman:"), re.compile(r"\n\n(Human|Assistant):[ ]?")),
    Style(
        re.compile(r"\s*USER: "),
        re.compile(r"(?:\A\s*|\n\n\s*)(USER|ASSISTANT|FUNCTION RESPONSE):[ ]?"),
        "<|endoftext|>",
    ),
    Style(
        re.compile(r"[^\[]*\[\|Human\|\]"),
        re.compile(r"\s*\[\|(Human|AI)\|\][ ]?"),
    ),
)
_CALL = "<functioncall>"
_SYSTEM = re.compile(r"SYSTEM:\s*")


def is_transcript(value: Any) -> bool:
    return isinstance(value, str) and any(style.begins.match(value) for style in STYLES)


def read_transcript(text: str, path: Path) -> list[Turn]:
    """The turns of a transcript; what stands before the first is the system text, and a last turn
    that is empty only asks for more. Raises Unfit."""
    style = next((style for style in STYLES if style.begins.match(text)), None)
    if style is None:
        what = "the text does not begin with the name of a speaker, as the others do"
        raise Unfit(path, "order", what, 'begin it with "USER: " or "\\n\\nHuman: "')
    pieces = style.marks.split(text)
    turns: list[Turn] = []
    if pieces[0].strip():
        turns.append((path, Message("system", pieces[0].strip())))
    for speaker, said in zip(pieces[1::2], pieces[2::2], strict=True):
        said = _without_end(said, style.end)
        role = _SPEAKERS[speaker.lower()]
        if role == "assistant":
            _add_answer(turns, said, path)
        else:
            turns.append((path, Message("tool" if role == "tool" else "user", said)))
    if len(turns) > 1 and not turns[-1][1].text.strip():
        turns.pop()
    return turns


def _without_end(said: str, end: str) -> str:
    if not end:
        return said
    return said.strip().removesuffix(end).rstrip()


def _add_answer(turns: list[Turn], said: str, path: Path) -> None:
    """An answer, or the call behind it."""
    words, mark, written = said.partition(_CALL)
    calls = ""
    if mark:
        call = call_of(written)
        if call is None:
            what = f"a call is not valid JSON ({written.strip()[:60]})"
            raise Unfit(path, "tools", what, 'write {"name": …, "arguments": {…}}')
        calls = read_function_call(call, path)
    before = turns[-1][1] if turns else None
    words = words.strip() if mark else said
    if calls and not words and before and before.role == "assistant" and not before.tool_calls:
        turns.pop()
        words = before.content
    turns.append((path, Message("assistant", words, tool_calls=calls)))


def _chat(value: dict[str, Any]) -> Content:
    """A transcript under `chat`, its tools written out in `system`."""
    turns = read_transcript(read_text(value["chat"], ("chat",)), ("chat",))
    messages = check_conversation(turns, ("chat",))
    system, tools = _system(optional_text(value, "system"))
    return Content((*system, *messages), tools)


def _system(given: str) -> tuple[tuple[Message, ...], str]:
    """The system text and the definitions that are written below it, one object after another."""
    text = _SYSTEM.sub("", given, count=1).strip()
    at = text.find("{")
    found: list[Any] = []
    while 0 <= at < len(text):
        try:
            value, end = json_text.parse(text, at)
        except json_text.BadJson:
            found = []
            break
        found.append(value)
        at = json_text.skip_space(text, end)
    named = found and all(isinstance(v, dict) and isinstance(v.get("name"), str) for v in found)
    tools = read_tools(found, ("system",)) if named else ""
    words = text[: text.index("{")].strip() if tools else text
    return ((Message("system", words),) if words else ()), tools


def _input(value: dict[str, Any]) -> Content:
    turns = read_transcript(read_text(value["input"], ("input",)), ("input",))
    return Content(check_conversation(turns, ("input",)))


_ANSWERS = ("output", "target", "response", "instruction", "chosen")
SHAPES = (
    Shape("transcript", (("chat",),), ("system",), _chat, kinds=(("chat", "transcript"),)),
    Shape(
        "transcript", (("input",),), (), _input, kinds=(("input", "transcript"),), without=_ANSWERS
    ),
)
