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
from engine.data.shapes.unfit import nearest, read_answer_at, read_text
from engine.errors import Problem

ACCEPTED = (
    "alpaca (instruction, output), messages (role, content), sharegpt (conversations: from, value), "
    "prompt/completion, question/answer, text and the like"
)
PROMPT_WORDS = (
    "instruction", "question", "prompt", "query", "problem", "inputs", "input", "source", "article",
    "document", "sentence", "text", "content", "docstring",
)  # fmt: skip
"""`input` comes late: beside another question it is material, not the question."""
GUESSED_ANSWERS = (
    *ANSWER_WORDS, "targets", "answers", "responses", "solutions", "summary", "highlights", "code", "sql",
    "label", "text",
)  # fmt: skip
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
        self.columns = columns_of(sample)
        self.guess = guess(self.columns)
        self.rows = [
            {name: _shown(column_value(record.value, name)[0]) for name in columns_of([record])}
            for record in sample[:SHOWN_ROWS]
        ]


def columns_of(sample: Iterable[Record]) -> list[str]:
    """The fields found; those of an object inside a record as `outer.inner`."""
    found: dict[str, None] = {}
    for record in sample:
        for name, value in record.value.items():
            inner = [f"{name}.{each}" for each in value] if isinstance(value, dict) else []
            found.update(dict.fromkeys(inner or [name]))
    return list(found)


def column_value(value: dict[str, Any], name: str) -> tuple[Any, tuple[str, ...]]:
    """What a record has under a column of `columns_of`, and the way there; null where it has
    nothing."""
    if name in value:
        return value[name], (name,)
    for at in (at for at, mark in enumerate(name) if mark == "."):
        outer, inner = name[:at], name[at + 1 :]
        held = value.get(outer)
        if isinstance(held, dict) and inner in held:
            return held[inner], (outer, inner)
    return None, (name.split(".")[0],)


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
        told_by_value = {name for name, _ in shape.kinds}
        near = {
            names[0]: _near([name for name in names if name not in told_by_value], found)
            for names in shape.needed
        }
        if all(near.values()):
            changes = [
                f'"{old}" to "{name}"' for name, old in near.items() if old not in shape.fields
            ]
            if changes:
                return f"did you mean {shape.name}? Rename {' and '.join(changes)}"
    return None


def names_answer(columns: Sequence[str]) -> bool:
    """Is there a column whose name says that it holds an answer?"""
    return _column(ANSWER_WORDS, columns) is not None


def guess(columns: Sequence[str]) -> dict[str, str | None]:
    """Which column is probably the prompt, the answer, the system text; each at most once."""
    left = list(columns)
    found: dict[str, str | None] = {}
    for part, words in (
        ("answer", GUESSED_ANSWERS),
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
    sample = list(sample)
    there = columns_of(sample)
    there += [name for record in sample for name in record.value if name not in there]
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
    outer = {part: _outer(name, sample) for part, name in columns.items() if name}
    optional = (outer["system"],) if "system" in outer else ()
    needed = ((outer["prompt"],), (outer["answer"],))
    return Shape(MAPPED, needed, optional, partial(_by_columns, dict(columns)))


def _by_columns(columns: dict[str, str], value: dict[str, Any]) -> Content:
    prompt, prompt_path = column_value(value, columns["prompt"])
    answer, answer_path = column_value(value, columns["answer"])
    turns = [
        (prompt_path, Message("user", read_text(prompt, prompt_path))),
        (answer_path, Message("assistant", read_answer_at(answer, answer_path))),
    ]
    check_filled(turns)
    if not columns.get("system"):
        return Content(tuple(message for _, message in turns))
    system, path = column_value(value, columns["system"])
    before = system_turn({path[-1]: system}, path[-1])
    return Content((*before, *(message for _, message in turns)))


def _outer(name: str, sample: Sequence[Record]) -> str:
    """The field of the record that holds the column."""
    return next(
        (way[0] for r in sample if (way := column_value(r.value, name)[1])[0] in r.value), name
    )


def _near(names: Sequence[str], found: list[str]) -> str | None:
    """The field found that one of `names` was probably written as; None where several may be."""
    exact = next((name for name in names if name in found), None)
    near = exact or next((near for name in names if (near := nearest(name, found))), None)
    if near is None or exact:
        return near
    others = [name for name in found if name != near]
    return None if any(nearest(name, others) for name in names) else near


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
