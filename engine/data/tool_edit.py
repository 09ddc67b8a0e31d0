"""Tool calls and definitions as text that a person changes, and that text read back strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from engine.data.containers import json_text
from engine.data.containers.json_text import BadJson
from engine.data.shapes.tools import read_calls, read_tools
from engine.data.shapes.unfit import Path, Unfit
from engine.errors import Problem


def laid_out(text: str) -> str:
    """JSON text over several lines; text that is none stays as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text


def read_calls_text(text: str) -> str:
    """The calls of an answer as a row holds them; empty for none. Raises Problem with line and column."""
    return _read(text, "tool calls", read_calls)


def read_tools_text(text: str) -> str:
    """The same for the tools of a row."""
    return _read(text, "tools", read_tools)


def _read(text: str, name: str, read: Callable[[Any, Path], str]) -> str:
    if not text.strip():
        return ""
    start = json_text.skip_space(text, 0)
    try:
        value, end = json_text.parse(text, start)
        end = json_text.skip_space(text, end)
        if end != len(text):
            what = "not valid JSON (more follows after the list)"
            raise BadJson(end, "json", what, "write one list")
        return read(value, (name,))
    except BadJson as bad:
        raise _problem(name, text, bad.position, bad.what, bad.fix) from bad
    except Unfit as unfit:
        at = json_text.locate(text, start, unfit.path[1:])
        raise _problem(name, text, at, unfit.what, unfit.fix) from unfit


def _problem(name: str, text: str, at: int, what: str, fix: str) -> Problem:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return Problem(f"{name}, line {line}, column {column}", what, fix)
