"""Answers that stand inside a field: examples of an instruction, spans of a text, calls, turns."""

from __future__ import annotations

from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message
from engine.data.shapes.declared import Content, Shape
from engine.data.shapes.instruction import ALPACA, parse
from engine.data.shapes.order import check_conversation, check_filled
from engine.data.shapes.tools import read_function_call, row_tools
from engine.data.shapes.turns import read_turns
from engine.data.shapes.unfit import Path, Unfit, optional_text, read_answer, read_text


def _instances(value: dict[str, Any]) -> Content:
    """An instruction with its examples, as self-instruct seeds have them: one makes a row."""
    given = value["instances"]
    path: Path = ("instances",)
    if len(given) != 1 or not isinstance(given[0], dict):
        what = f"'instances' holds {len(given)} examples, and a record is one row"
        fix = "write each as a record of its own: instruction, input, output"
        raise Unfit(path, "unsupported", what, fix)
    if "output" not in given[0]:
        raise Unfit((*path, 0), "missing", "the example has no 'output'", 'add "output"')
    return parse(ALPACA, {**given[0], "instruction": value["instruction"]})


def _spans(value: dict[str, Any]) -> Content:
    """A question about a text, its answers a list or {"text": [...]}: said in several ways, the
    first is learned."""
    given = value["answers"]
    path: Path = ("answers",)
    if isinstance(given, dict):
        given, path = given.get("text"), ("answers", "text")
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list):
        what = f"'{path[-1]}' is {type_name(given)}, expected a list of answers"
        raise Unfit(path, "type", what, 'write {"text": ["…"]}')
    if not given:
        what = "the question has no answer in its text"
        raise Unfit(
            path, "empty_answer", what, "write the answer that should be given, or leave it out"
        )
    context = optional_text(value, "context")
    asked = [read_text(value["question"], ("question",)), *([context] if context else [])]
    turns = [
        (("question",), Message("user", "\n".join(asked))),
        (path, Message("assistant", _first(given[0], (*path, 0)))),
    ]
    check_filled(turns)
    return Content(tuple(message for _, message in turns))


def _first(given: Any, path: Path) -> str:
    if isinstance(given, dict) and "text" in given:
        return read_text(given["text"], (*path, "text"))
    return read_text(given, path)


def _calls(value: dict[str, Any]) -> Content:
    """A query whose answer is calls of tools, all as JSON text."""
    query = Message("user", read_text(value["query"], ("query",)))
    calls = read_function_call(value["answers"], ("answers",))
    turns = [(("query",), query), (("answers",), Message("assistant", "", tool_calls=calls))]
    check_filled(turns)
    return Content(tuple(message for _, message in turns), row_tools(value))


def _turns_and_output(value: dict[str, Any]) -> Content:
    """Turns so far under `input`, the answer to them under `output`."""
    turns = read_turns(value["input"], ("input",))
    answer = Message("assistant", read_answer(value, "output"))
    messages = check_conversation([*turns, (("output",), answer)], ("output",))
    system = optional_text(value, "system_prompt")
    if system.strip() and messages[0].role != "system":
        messages = (Message("system", system), *messages)
    return Content(messages, row_tools(value))


SHAPES = (
    Shape(
        "self-instruct",
        (("instruction",), ("instances",)),
        (),
        _instances,
        kinds=(("instances", "list"),),
    ),
    Shape("xlam", (("query",), ("answers",), ("tools",)), (), _calls),
    *(
        Shape(
            "squad", (("question",), ("answers",)), ("context",), _spans, kinds=(("answers", kind),)
        )
        for kind in ("list", "object")
    ),
    Shape(
        "input/output",
        (("input",), ("output",)),
        ("system_prompt", "tools"),
        _turns_and_output,
        kinds=(("input", "list"),),
        without=("instruction", "prompt", "messages"),
    ),
)
