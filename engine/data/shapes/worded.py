"""Tool calls and results that stand in the text of a turn, in the words that some data sets teach."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from engine.data.containers import json_text
from engine.data.containers.json_text import BadJson

TAG = "<tool_call>"
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>\s*", re.DOTALL)
_RESULT = re.compile(r"<tool_response>\n?(.*?)\n?</tool_response>\s*", re.DOTALL)
_QUOTED = re.compile(r"""(.*"arguments"\s*:\s*)'(.*)'(\s*\})""", re.DOTALL)
_HOLDS_CALL = re.compile(
    r"""<tool_call>|<function_?call>|<\|python_tag\|>|^\s*\[\s*\{?\s*"name"|^\s*\{\s*"name"\s*:"""
    r"""|\[\s*[\w. -]+\(.*\)\s*\]\s*$""",
    re.DOTALL,
)


def calls_in(text: str) -> tuple[str, list[dict[str, Any]]] | None:
    """The text before the calls of an answer, and the calls, as `read_calls` takes them; None where
    it holds none, or anything between or behind them that would be lost."""
    start = text.find(TAG)
    if start < 0:
        return None
    calls: list[dict[str, Any]] = []
    at = start
    while at < len(text):
        found = _CALL.match(text, at)
        call = call_of(found.group(1)) if found else None
        if found is None or call is None:
            return None
        calls.append(call)
        at = found.end()
    return text[:start].rstrip(), calls


def results_in(text: str) -> list[str]:
    """The results of a tool's turn: those it has in tags, or all of it as one."""
    results: list[str] = []
    at = len(text) - len(text.lstrip())
    while at < len(text):
        found = _RESULT.match(text, at)
        if found is None:
            return [text]
        results.append(found.group(1))
        at = found.end()
    return results or [text]


def call_of(text: str) -> dict[str, Any] | None:
    """A call {name, arguments} as JSON, as Python writes an object, or as JSON whose arguments are
    JSON in single quotes."""
    for read in (_json, _quoted, _python):
        call = read(text.strip())
        if isinstance(call, dict) and call.keys() == {"name", "arguments"}:
            return call if isinstance(call["name"], str) else None
    return None


def holds_call(text: str) -> bool:
    """Does an answer call a tool in its text?"""
    return _HOLDS_CALL.search(text) is not None


def _json(text: str) -> Any:
    try:
        value, end = json_text.parse(text)
    except BadJson:
        return None
    return value if end == len(text) else None


def _quoted(text: str) -> Any:
    found = _QUOTED.fullmatch(text)
    return found and _json(f"{found.group(1)}{json.dumps(found.group(2))}{found.group(3)}")


def _python(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return value
