"""A JSON object that holds a table: a list or an object of values for each column, or an object of
rows by their index. pandas and `datasets` write such files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from engine.data.containers import json_text
from engine.data.containers.record import ROW_LISTS

LARGEST = 128 * 2**20
"""Columns are held whole: a row has a part in each of them."""

Layout = Literal["columns", "rows", ""]


def layout_of(text: str, start: int) -> Layout:
    """What the object at `start` holds, by its members as far as `text` goes."""
    members = list(json_text.members(text, start))
    begins = [_begin(text, at) for _, at in members]
    names = [str(name) for name, _ in members]
    if not members or not set(names).isdisjoint(ROW_LISTS):
        return ""
    if all(begin == "values by index" for begin in begins):
        return "columns"
    if all(begin == "list" for begin in begins) and len(members) > 1:
        return "columns"
    if all(name.isdecimal() for name in names) and all(begin == "object" for begin in begins):
        return "rows"
    return ""


def rows_of(columns: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """The rows of columns that are equally long; None where they are not. A value that a column
    lacks for an index is null."""
    values = list(columns.values())
    if all(isinstance(column, list) for column in values):
        if len({len(column) for column in values}) != 1:
            return None
        return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))
    if not all(isinstance(column, dict) for column in values):
        return None
    index = dict.fromkeys(key for column in values for key in column)
    return ({name: column.get(key) for name, column in columns.items()} for key in index)


def places_of(text: str, start: int) -> Iterator[int]:
    """Where each value of the first column stands."""
    _, at = next(json_text.members(text, start))
    if text[at] == "[":
        return json_text.elements(text, at)
    return (place for _, place in json_text.members(text, at))


def _begin(text: str, at: int) -> str:
    """What the value at `at` is, by its first element."""
    mark = text[at : at + 1]
    inner = json_text.skip_space(text, at + 1)
    if mark == "[":
        return "list" if text[inner : inner + 1] not in ("{", "") else "rows"
    if mark != "{":
        return "value"
    name, _ = next(json_text.members(text, at), ("", 0))
    return "values by index" if str(name).isdecimal() else "object"
