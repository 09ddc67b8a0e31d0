"""The instruction family: one question field, one answer field, and what may stand beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message
from engine.data.shapes.declared import Content, Shape
from engine.data.shapes.order import Turn, check_filled
from engine.data.shapes.tools import row_tools
from engine.data.shapes.unfit import Unfit, optional_text, read_answer, read_text


@dataclass(frozen=True)
class Declared:
    """A member of the family. `questions` and `answers` are names for one field each; `material`
    goes below the question on lines of its own. A record with a field of `without` is something
    else."""

    name: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    material: tuple[str, ...] = ()
    system: str = ""
    more: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


FAMILY = (
    Declared("alpaca", ("instruction",), ("output",), ("input",), "system", ("history", "tools")),
    Declared("dolly", ("instruction",), ("response",), ("context", "input"), "system"),
    Declared("oasst", ("INSTRUCTION",), ("RESPONSE",)),
    Declared("openorca", ("question",), ("response",), system="system_prompt"),
    Declared("summarise", ("article", "document", "dialogue", "text"), ("summary", "highlights")),
    Declared("metharme", ("prompt",), ("generation",)),
    Declared("camel", ("message_1",), ("message_2",)),
    Declared("pair", ("human", "user"), ("assistant",), system="system"),
    Declared("question/answer", ("question",), ("answer",), ("context", "input"), "system"),
    Declared("flan", ("inputs_pretokenized",), ("targets_pretokenized",)),
    Declared("flan", ("inputs",), ("targets",)),
    Declared("query/response", ("query",), ("response",), (), "system", ("history", "tools")),
    Declared(
        "prompt/response", ("prompt",), ("response",), ("context",), "system",
        without=("response_0", "response_1", "response_2"),
    ),
    Declared(
        "problem/solution", ("problem",), ("solution",),
        without=("answer", "response", "output", "generations"),
    ),
    Declared("firefly", ("input",), ("target",), more=("instruction",)),
    Declared(
        "input/output", ("input",), ("output",), (), "system_prompt", ("instruction",),
        without=("question", "query", "prompt", "problem", "text"),
    ),
)  # fmt: skip

ALPACA = FAMILY[0]
QUESTION = next(declared for declared in FAMILY if declared.name == "question/answer")


def parse(declared: Declared, value: dict[str, Any], answer: str = "") -> Content:
    """A record of the family; `answer` names its answer field where it is not the usual one.
    Raises Unfit."""
    question = next(name for name in declared.questions if name in value)
    answer = answer or next(name for name in declared.answers if name in value)
    asked = [read_text(value[question], (question,))]
    asked += [optional_text(value, name) for name in declared.material]
    turns = _history(value.get("history")) if "history" in declared.more else []
    turns = [
        *turns,
        ((question,), Message("user", "\n".join(part for part in asked if part))),
        ((answer,), Message("assistant", read_answer(value, answer))),
    ]
    check_filled(turns)
    before = system_turn(value, declared.system) if declared.system else ()
    tools = row_tools(value) if "tools" in declared.more else ""
    return Content((*before, *(message for _, message in turns)), tools)


def system_turn(value: dict[str, Any], name: str = "system") -> tuple[Message, ...]:
    """The system message of a record's field, where there is one that is not blank."""
    text = optional_text(value, name)
    return (Message("system", text),) if text.strip() else ()


def declared_of(value: dict[str, Any]) -> Declared | None:
    """The first member whose question the record has: for records whose answer stands elsewhere."""
    return next((d for d in FAMILY if any(name in value for name in d.questions)), None)


def _history(history: Any) -> list[Turn]:
    """Earlier turns as [user, assistant] pairs."""
    if history is None or history == "":
        return []
    if not isinstance(history, list):
        what = f"'history' is {type_name(history)}, expected a list of pairs"
        raise Unfit(("history",), "type", what, "write a list")
    return list(_pairs(history))


def _pairs(history: list[Any]) -> Iterator[Turn]:
    for at, pair in enumerate(history):
        path = ("history", at)
        if not isinstance(pair, list) or len(pair) != 2:
            what = "an entry of 'history' is no pair"
            raise Unfit(path, "type", what, "write [user, assistant]")
        yield (*path, 0), Message("user", read_text(pair[0], (*path, 0)))
        yield (*path, 1), Message("assistant", read_text(pair[1], (*path, 1)))


def _shape(declared: Declared) -> Shape:
    optional = (*declared.material, *declared.more)
    if declared.system:
        optional = (*optional, declared.system)
    return Shape(
        declared.name,
        (declared.questions, declared.answers),
        optional,
        partial(parse, declared),
        without=declared.without,
    )


SHAPES = tuple(_shape(declared) for declared in FAMILY)
