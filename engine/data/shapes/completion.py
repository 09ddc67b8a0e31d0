"""Shapes of plain text: prompt/completion, text, segments, and those with nothing to learn."""

from __future__ import annotations

from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message
from engine.data.shapes.declared import Content, Refusal, Shape
from engine.data.shapes.instruction import system_turn
from engine.data.shapes.order import Turn, check_conversation, check_filled
from engine.data.shapes.tools import row_tools
from engine.data.shapes.turns import read_turns
from engine.data.shapes.unfit import Unfit, read_answer, read_flag, read_text

ANSWER_WORDS = ("output", "answer", "response", "completion", "reply", "target", "solution")
"""Names that people give to the column with the answer, the likeliest first."""


def parse_prompt_completion(value: dict[str, Any]) -> Content:
    prompt, completion = value["prompt"], value["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        before = unlearned(read_turns(prompt, ("prompt",)))
        after = read_turns(completion, ("completion",))
        messages = check_conversation([*before, *after], ("completion",))
        if messages[0].role != "system":
            messages = (*system_turn(value), *messages)
        return Content(messages, row_tools(value))
    turns = [
        (("prompt",), Message("user", read_text(prompt, ("prompt",)))),
        (("completion",), Message("assistant", read_answer(value, "completion"))),
    ]
    check_filled(turns)
    return Content((*system_turn(value), *(message for _, message in turns)), row_tools(value))


def unlearned(turns: list[Turn]) -> list[Turn]:
    """The turns of a prompt: the answers in it are given, not learned."""
    return [
        (path, Message("assistant", m.content, False, m.tool_calls, m.name, m.tool_call_id))
        if m.role == "assistant"
        else (path, m)
        for path, m in turns
    ]


def _text(value: dict[str, Any]) -> Content:
    text = read_answer(value, "text")
    if not text.strip():
        raise Unfit(("text",), "empty_answer", "the text is empty", "write it, or delete the row")
    return Content((Message("assistant", text),), raw=True)


def _segments(value: dict[str, Any]) -> Content:
    given = value["segments"]
    if not isinstance(given, list):
        what = f"'segments' is {type_name(given)}, expected a list"
        raise Unfit(("segments",), "type", what, 'write [{"label": true, "text": …}]')
    messages = tuple(_segment(each, at) for at, each in enumerate(given))
    if not any(m.learned and m.content.strip() for m in messages):
        what = "no segment with text has the label true, so there is nothing to learn"
        raise Unfit(("segments",), "empty_answer", what, "label the answer true")
    return Content(messages, raw=True)


def _segment(given: Any, at: int) -> Message:
    path = ("segments", at)
    if not isinstance(given, dict) or not {"label", "text"} <= given.keys():
        what = "a segment is no object with 'label' and 'text'"
        raise Unfit(path, "type", what, 'write {"label": true, "text": …}')
    learned = read_flag(given["label"], (*path, "label"))
    return Message("assistant" if learned else "user", read_text(given["text"], (*path, "text")))


PROMPT_COMPLETION = Shape(
    "prompt/completion",
    (("prompt",), ("completion",)),
    ("system", "tools", "functions"),
    parse_prompt_completion,
)
SEGMENTS = Shape("segments", (("segments",),), (), _segments, kinds=(("segments", "list"),))
TEXT = Shape("text", (("text",),), (), _text, without=(*ANSWER_WORDS, "code", "prompt"))
TOKENISED = Shape(
    "tokenised",
    (("input_ids",),),
    ("attention_mask", "labels", "completion_mask"),
    refusal=Refusal(
        "these are tokens (input_ids), which fit one tokenizer only",
        "give the text that they were made from",
    ),
)
PROMPT_ONLY = Shape(
    "prompt only",
    (("prompt",),),
    without=(*ANSWER_WORDS, "label", "text"),
    refusal=Refusal(
        "these are prompts without answers, so there is nothing to learn from",
        "add the answer to each record as completion",
    ),
)
