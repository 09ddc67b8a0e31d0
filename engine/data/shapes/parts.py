"""Content given as typed parts: texts, and calls and results in the words of several publishers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message
from engine.data.shapes.tools import canonical
from engine.data.shapes.unfit import Path, Unfit, read_text

TEXTS = ("text", "input_text", "output_text")
CALLS = ("tool_use", "toolUse", "functionCall", "function_call")
RESULTS = ("tool_result", "toolResult", "functionResponse", "function_response")
IDS = ("id", "toolUseId")
ANSWERED_IDS = ("tool_use_id", "toolUseId", "id")
LEAVE_OUT = "leave this row out"


@dataclass
class Said:
    """What a turn's parts hold. `calls` as `read_calls` takes them, `results` as tool messages."""

    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)


def read_parts(parts: list[Any], path: Path) -> Said:
    """Raises Unfit for a part that cannot be kept: a picture, sound, a thought."""
    said = Said()
    for at, part in enumerate(parts):
        _add(part, (*path, at), said)
    return said


def read_part_texts(given: Any, path: Path) -> str:
    """A text, or the texts of a list of parts, or of an object with `parts`."""
    if isinstance(given, dict) and "parts" in given:
        given, path = given["parts"], (*path, "parts")
    if not isinstance(given, list):
        return read_text(given, path)
    said = read_parts(given, path)
    if said.calls or said.results:
        raise Unfit(path, "unsupported", "a tool call where only text can stand", LEAVE_OUT)
    return said.text


def _add(part: Any, path: Path, said: Said) -> None:
    if isinstance(part, str):
        said.text += part
        return
    if not isinstance(part, dict):
        what = f"a part is {type_name(part)}, expected an object"
        raise Unfit(path, "type", what, 'write {"type": "text", "text": …}')
    given = {name: value for name, value in part.items() if value is not None}
    kind = _kind(given)
    inner = given.get(kind, given)
    if given.get("thought"):
        raise _unsupported("thought", path)
    if kind in TEXTS:
        said.text += _text(part, path)
    elif kind in CALLS and isinstance(inner, dict):
        said.calls.append(_call(inner))
    elif kind in RESULTS and isinstance(inner, dict):
        said.results.append(_result(inner, path))
    else:
        raise _unsupported(kind, path)


def _kind(given: dict[str, Any]) -> str:
    """The type as it is said, or else the name of the field that holds the part."""
    if "type" in given:
        return str(given["type"])
    known = next((name for name in (*CALLS, *RESULTS) if name in given), None)
    return known or (
        "text" if not given or "text" in given or "value" in given else next(iter(given))
    )


def _text(part: dict[str, Any], path: Path) -> str:
    text = part.get("text")
    text = part.get("value") if text is None else text
    if not isinstance(text, str):
        what = f"a part's text is {type_name(text)}, expected text"
        raise Unfit(path, "type", what, "write it as text")
    return text


def _call(given: dict[str, Any]) -> dict[str, Any]:
    arguments = next(
        (given[name] for name in ("input", "args", "arguments") if name in given), None
    )
    named = {"name": given.get("name"), "arguments": arguments}
    return {**named, "id": next((given[name] for name in IDS if given.get(name)), None)}


def _result(given: dict[str, Any], path: Path) -> Message:
    if given.get("is_error") or given.get("status") == "error":
        raise Unfit(path, "unsupported", "a tool result that is marked as an error", LEAVE_OUT)
    held = given.get("content", given.get("response", ""))
    if isinstance(held, list):
        held = "".join(_result_part(each, (*path, at)) for at, each in enumerate(held))
    elif isinstance(held, dict):
        held = canonical(held)
    answered = next((str(given[name]) for name in ANSWERED_IDS if given.get(name)), "")
    name = given.get("name") or ""
    return Message("tool", read_text(held, path), name=read_text(name, path), tool_call_id=answered)


def _result_part(given: Any, path: Path) -> str:
    if isinstance(given, dict) and given.get("json") is not None:
        return canonical(given["json"])
    return read_part_texts([given], path)


def _unsupported(kind: str, path: Path) -> Unfit:
    what = f'a part of type "{kind[:30]}": only text is trained on'
    return Unfit(path, "unsupported", what, LEAVE_OUT)
