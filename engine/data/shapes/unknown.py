"""A source whose shape is not known: what it holds, what was probably meant, and the columns to
map."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from engine.data.containers.record import Record
from engine.data.rows import Message
from engine.data.shapes.completion import ANSWER_WORDS
from engine.data.shapes.declared import Content, Shape
from engine.data.shapes.instruction import system_turn
from engine.data.shapes.known import SHAPES
from engine.data.shapes.order import check_filled
from engine.data.shapes.unfit import nearest, read_answer, read_text
from engine.errors import Problem

ACCEPTED = (
    "alpaca (instruction, output), messages (role, content), sharegpt (conversations: from, value), "
    "prompt/completion, question/answer, text and the like"
)
PROMPT_WORDS = ("instruction", "question", "prompt", "query", "problem", "input")
"""`input` comes last: beside another question it is material, not the question."""
SYSTEM_WORDS = ("system", "persona", "description")
"""Not `context`, which is material beside the question wherever there is one."""
SHOWN_ROWS, SHOWN_CHARACTERS = 5, 2000
MAPPED = "columns"
"""The name of a shape that the person made by naming columns."""


class UnknownShape(Problem):
    """No shape fits. `columns` are the fields found, `guess` has the likely ones for prompt,
    answer and system (or None), `rows` the first records as text."""

    def __init__(self, where: str, what: str, fix: str, sample: Sequence[Record] = ()) -> None:
        super().__init__(where, what, fix)
        self.columns = list(dict.fromkeys(name for record in sample for name in record.value))
        self.guess = guess(self.columns)
        self.rows = [
            {name: _shown(value) for name, value in record.value.items()}
            for record in sample[:SHOWN_ROWS]
        ]


def unknown(path: str, sample: Sequence[Record]) -> UnknownShape:
    names = Counter(name for record in sample for name in record.value)
    found = [name for name, _ in names.most_common(12)]
    shown = ", ".join(f'"{name[:40]}"' for name in found) or "none"
    what = f"the shape is not known (fields found: {shown})"
    fix = meant(found) or f"rename the fields; accepted: {ACCEPTED}"
    if sample[0].cells and not meant(found):
        fix = f"name the columns in the first line; accepted: {ACCEPTED}"
    return UnknownShape(path, what, fix, sample)


def meant(found: list[str]) -> str | None:
    """The renaming that would make the fields a shape, when a slip or two is all that is wrong."""
    for shape in SHAPES:
        if shape.refusal or shape.name == "text":
            continue
        near = {names[0]: _near(names, found) for names in shape.needed}
        if all(near.values()):
            changes = [
                f'"{old}" to "{name}"' for name, old in near.items() if old not in shape.fields
            ]
            if changes:
                return f"did you mean {shape.name}? Rename {' and '.join(changes)}"
    return None


def guess(columns: Sequence[str]) -> dict[str, str | None]:
    """Which column is probably the prompt, the answer, the system text; each at most once."""
    left = list(columns)
    found: dict[str, str | None] = {}
    for part, words in (
        ("answer", ANSWER_WORDS),
        ("prompt", PROMPT_WORDS),
        ("system", SYSTEM_WORDS),
    ):
        found[part] = _column(words, left)
        left = [name for name in left if name != found[part]]
    if len(left) == 1 and (found["answer"] is None) != (found["prompt"] is None):
        found["prompt" if found["prompt"] is None else "answer"] = left[0]
    return {part: found[part] for part in ("prompt", "answer", "system")}


def mapped(columns: Mapping[str, str], sample: Iterable[Record]) -> Shape:
    """A shape of the named columns. Raises Problem for a column that the data does not have."""
    there = list(dict.fromkeys(name for record in sample for name in record.value))
    for part in ("prompt", "answer"):
        if not columns.get(part):
            knob = f"data.{part}_column"
            raise Problem(knob, f"no column is named for the {part}", "name prompt and answer")
    for part, name in columns.items():
        if name and name not in there:
            near = nearest(name, there)
            shown = ", ".join(f'"{each[:40]}"' for each in there[:12])
            fix = f'did you mean "{near}"?' if near else f"name one of {shown}"
            raise Problem(f"data.{part}_column", f'the data has no column "{name[:40]}"', fix)
    optional = (columns["system"],) if columns.get("system") else ()
    needed = ((columns["prompt"],), (columns["answer"],))
    return Shape(MAPPED, needed, optional, partial(_by_columns, dict(columns)))


def _by_columns(columns: dict[str, str], value: dict[str, Any]) -> Content:
    prompt, answer = columns["prompt"], columns["answer"]
    turns = [
        ((prompt,), Message("user", read_text(value[prompt], (prompt,)))),
        ((answer,), Message("assistant", read_answer(value, answer))),
    ]
    check_filled(turns)
    system = system_turn(value, columns["system"]) if columns.get("system") else ()
    return Content((*system, *(message for _, message in turns)))


def _near(names: Sequence[str], found: list[str]) -> str | None:
    """The field found that one of `names` was probably written as."""
    exact = next((name for name in names if name in found), None)
    return exact or next((near for name in names if (near := nearest(name, found))), None)


def _column(words: Sequence[str], columns: Sequence[str]) -> str | None:
    """The column named by the likeliest word, or with such a word in its name."""
    plain = {name.strip().lower(): name for name in reversed(columns)}
    for word in words:
        if word in plain:
            return plain[word]
    parts = {name: set(re.split(r"[^a-z]+", _spaced(name).lower())) for name in columns}
    for word in words:
        for name in columns:
            if word in parts[name]:
                return name
    return None


def _spaced(name: str) -> str:
    """userQuestion as user Question."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text[:SHOWN_CHARACTERS]
