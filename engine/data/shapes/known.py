"""Every shape, in the order in which a record of several is read, and which one a record has."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from engine.data.shapes import chat, completion, instruction, nested, preference, transcript
from engine.data.shapes.declared import Fields, Kind, Shape
from engine.data.shapes.unfit import as_flag

SHAPES: tuple[Shape, ...] = (
    *preference.SHAPES,
    chat.MESSAGES,
    chat.SHAREGPT,
    chat.CONTENTS,
    *transcript.SHAPES,
    completion.PROMPT_COMPLETION,
    *nested.SHAPES,
    *instruction.SHAPES,
    completion.SEGMENTS,
    *chat.TREES,
    chat.TURNS,
    completion.TEXT,
    completion.TOKENISED,
    completion.PROMPT_ONLY,
)
SHAPE_NAMES: tuple[str, ...] = tuple(dict.fromkeys(shape.name for shape in SHAPES))
LIST_FIELDS = ("messages", *chat.SHAREGPT_KEYS, "contents", "segments", "history")
"""Fields that a table can only hold as JSON text."""
_KINDS = frozenset(name for shape in SHAPES for name, _ in shape.kinds)
_LIST_TEXT = re.compile(r"\s*\[\s*[\[{]")


def shape_of(value: dict[str, Any], shapes: tuple[Shape, ...] = SHAPES) -> Shape | None:
    """The first of `shapes` that the record's fields allow."""
    return _shape_of_fields(fields_of(value), shapes)


def fields_of(value: dict[str, Any]) -> Fields:
    return tuple((name, _kind(value[name]) if name in _KINDS else "") for name in value)


def shapes_named(name: str) -> tuple[Shape, ...]:
    """The shapes of one name; where it is named on purpose, no other field stands in its way."""
    named = tuple(shape for shape in SHAPES if shape.name == name)
    if name == chat.MESSAGES.name:
        return (Shape(name, chat.MESSAGES.needed, chat.MESSAGES.optional, chat.messages_only),)
    if name == completion.TEXT.name:
        return (Shape(name, completion.TEXT.needed, (), completion.TEXT.parse),)
    return named


def is_list_text(value: Any) -> bool:
    return isinstance(value, str) and _LIST_TEXT.match(value) is not None


@lru_cache(maxsize=4096)
def _shape_of_fields(fields: Fields, shapes: tuple[Shape, ...]) -> Shape | None:
    return next((shape for shape in shapes if shape.fits(fields)), None)


def _kind(value: Any) -> Kind:
    if isinstance(value, list) or is_list_text(value):
        return "list"
    if isinstance(value, dict):
        return "object"
    if transcript.is_transcript(value):
        return "transcript"
    return "flag" if as_flag(value) is not None else ""
