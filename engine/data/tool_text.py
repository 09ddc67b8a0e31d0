"""Tools for models whose chat template has no words for them: definitions, calls and results
written into the turns' own text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.data.rows import Message, Row

INTRODUCTION = "You can call these functions:"
INSTRUCTION = (
    "To call one, answer with\n"
    '<tool_call>\n{"name": the function, "arguments": {its arguments}}\n</tool_call>'
)

_TOOL, _ARGUMENT, _OTHER = "sample_tool", "SampleArgument", "OtherArgument"
_WORDS, _RESULT, _ANSWER = "SampleWords", "SampleResult", "SampleAnswer"
_PARAMETERS = {
    "type": "object",
    "properties": {"x": {"type": "string", "description": "A sample."}},
    "required": ["x"],
}
_FUNCTION = {"name": _TOOL, "description": "A sample.", "parameters": _PARAMETERS}
SAMPLE_TOOLS = json.dumps([{"type": "function", "function": _FUNCTION}])
_CALL = {"type": "function", "function": {"name": _TOOL, "arguments": {"x": _ARGUMENT}}}
_SECOND = {"type": "function", "function": {"name": _TOOL, "arguments": {"x": _OTHER}}}
_USER = Message("user", "Sample question")
_CALLING = Message("assistant", "", tool_calls=json.dumps([_CALL]))
_ANSWERED = Message("tool", _RESULT, name=_TOOL)
_SAID = Message("assistant", _ANSWER)
SAMPLE = (_USER, _CALLING, _ANSWERED, _SAID)


@dataclass(frozen=True, slots=True)
class Shown:
    """What of tools a chat template shows by itself; all else is put in words. `beside`: the text
    beside a call too; `several`: more than one call in an answer."""

    definitions: bool
    calls: bool
    results: bool
    beside: bool = True
    several: bool = True


ALL = Shown(True, True, True)
Shows = Callable[[tuple[Message, ...], str, Shown, list[str]], bool]


def learn(shows: Shows) -> Shown:
    """Found on samples: something is shown when its names and texts can be read in them.
    `shows(messages, tools, shown, texts)` renders and looks."""
    definitions = shows((_USER, _SAID), SAMPLE_TOOLS, ALL, [_TOOL])
    tools = SAMPLE_TOOLS if definitions else ""
    shown = Shown(definitions, True, True)
    if shows(SAMPLE, tools, shown, [_TOOL, _ARGUMENT, _RESULT, _ANSWER]):
        beside = replace(_CALLING, content=_WORDS)
        twice = replace(_CALLING, tool_calls=json.dumps([_CALL, _SECOND]))
        return replace(
            shown,
            beside=shows((_USER, beside, *SAMPLE[2:]), tools, shown, [_ARGUMENT, _WORDS]),
            several=shows(
                (_USER, twice, _ANSWERED, *SAMPLE[2:]), tools, shown, [_ARGUMENT, _OTHER]
            ),
        )
    written = Shown(definitions, False, True)
    return replace(written, results=shows(SAMPLE, tools, written, [_RESULT, _ANSWER]))


def in_words(messages: tuple[Message, ...], tools: str, shown: Shown) -> tuple[Message, ...]:
    """The conversation with what is not shown written into its turns."""
    if tools and not shown.definitions:
        messages = _with_definitions(messages, tools)
    if not shown.calls:
        messages = tuple(
            replace(m, content=m.text, tool_calls="") if m.tool_calls else m for m in messages
        )
    return messages if shown.results else _with_results(messages)


def left_out(messages: tuple[Message, ...], shown: Shown) -> str:
    """What the chat template would leave out of a conversation; empty for nothing."""
    if not shown.beside and any(m.tool_calls and m.content.strip() for m in messages):
        return "the chat template leaves out the text beside a tool call"
    if not shown.several and any(len(m.calls) > 1 for m in messages):
        return "the chat template shows no more than one tool call in an answer"
    return ""


DEFINED, CALLED = 1, 2


def uses(row: Row) -> int:
    """Whether a row has tools `DEFINED` and whether they are `CALLED` in it, as the sum of both."""
    called = any(m.tool_calls or m.role == "tool" for m in row.messages)
    return DEFINED * bool(row.tools) + CALLED * called


def notes(shown: Shown, defined: int, called: int) -> list[str]:
    """How the tools of so many rows reach a model whose chat template has no words for them."""
    said = []
    if defined and not shown.definitions:
        said.append(f"the definitions of {defined:,} rows are put into the system text")
    if called and not shown.calls:
        results = "" if shown.results else ", the results into user turns"
        said.append(f"the calls of {called:,} rows are put into the answers{results}")
    return [f"the chat template does not show tools: {'; '.join(said)}"] if said else []


def _with_definitions(messages: tuple[Message, ...], tools: str) -> tuple[Message, ...]:
    """The definitions below the system text, one a line; with a system turn of their own where
    there is none."""
    functions = [each.get("function", each) for each in json.loads(tools)]
    lines = [json.dumps(function, ensure_ascii=False) for function in functions]
    text = "\n".join([INTRODUCTION, *lines, INSTRUCTION])
    if not messages or messages[0].role != "system":
        return (Message("system", text), *messages)
    own = messages[0].content
    return (replace(messages[0], content=f"{own}\n\n{text}" if own else text), *messages[1:])


def _with_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Results as user turns, those of one answer together, for templates that know no tool
    turns."""
    made: list[Message] = []
    results = False
    for message in messages:
        if message.role != "tool":
            made.append(message)
            results = False
            continue
        text = f"<tool_response>\n{message.content}\n</tool_response>"
        if results:
            made[-1] = Message("user", f"{made[-1].content}\n{text}")
        else:
            made.append(Message("user", text))
        results = True
    return tuple(made)
