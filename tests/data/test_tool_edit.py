"""Tool calls and definitions changed as text: what is valid keeps all it says, a mistake is told by its place."""

from __future__ import annotations

import json

import pytest

from engine.data.shapes.tools import canonical, read_calls, read_tools
from engine.data.tool_edit import laid_out, read_calls_text, read_tools_text
from engine.errors import Problem

CALLS = canonical([
    {"type": "function", "function": {"name": "a", "arguments": {"x": [1, 2.5, None, "é\n"]}}, "id": "7"},
    {"type": "function", "function": {"name": "b", "arguments": "as text"}},
])  # fmt: skip
TOOLS = canonical(
    [{"type": "function", "function": {"name": "a", "parameters": {}, "strict": True}}]
)


def test_what_a_row_holds_comes_back_letter_by_letter() -> None:
    assert read_calls(json.loads(CALLS), ("c",)) == CALLS
    assert read_calls_text(laid_out(CALLS)) == CALLS
    assert read_tools(json.loads(TOOLS), ("t",)) == TOOLS
    assert read_tools_text(laid_out(TOOLS)) == TOOLS
    assert laid_out("[{") == "[{"
    assert read_calls_text(" \n") == read_tools_text("") == ""


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('[{"name": "a"},\n  {"name": 1}]', "line 2, column 3", "a call has no name"),
        ('[{"name": "a"}]\n]', "line 2, column 1", "more follows"),
        ('[{"name": "a",\n\n"arguments": }]', "line 3, column 14", "not valid JSON"),
        ('{"name": "a"}', "line 1, column 1", "expected a list of calls"),
        ('[{"name": "a", "name": "b"}]', "line 1, column 16", "stands twice"),
        ('\n\n[{"name": "a", "arguments": {}, "when": 1}]', "line 3, column 2", '"when"'),
    ],
)
def test_a_mistake_is_told_by_line_and_column(text: str, where: str, what: str) -> None:
    with pytest.raises(Problem) as met:
        read_calls_text(text)
    assert met.value.where == f"tool calls, {where}"
    assert what in met.value.what


def test_tools_are_told_by_their_own_name() -> None:
    with pytest.raises(Problem, match="tools, line 1, column 2: a tool definition has no name"):
        read_tools_text('[{"description": "x"}]')
