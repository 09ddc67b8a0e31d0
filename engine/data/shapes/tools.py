"""Tool definitions and tool calls as they stand in data, made into one canonical JSON text."""

from __future__ import annotations

import json
from typing import Any

from engine.data.containers import json_text
from engine.data.containers.json_lines import type_name
from engine.data.containers.json_text import BadJson
from engine.data.shapes.unfit import Path, Unfit, nearest

TOOL_FIELDS = ("tools", "functions", "toolConfig")
DECLARATIONS = ("functionDeclarations", "function_declarations")
CALL_FIELDS = ("id", "type", "index", "function")
FUNCTION_FIELDS = ("name", "arguments")
WRITE_CALL = 'write {"name": …, "arguments": {…}}'
WRITE_DEFINITION = 'write {"name": …, "description": …, "parameters": {…}}'


def row_tools(value: dict[str, Any]) -> str:
    """The definitions of a record's `tools`, `functions` or `toolConfig`: a list, or its JSON text.
    Raises Unfit."""
    found = {name: read_tools(value[name], (name,)) for name in TOOL_FIELDS if value.get(name)}
    named = [name for name, tools in found.items() if tools]
    if len(named) > 1:
        what = f"both '{named[0]}' and '{named[1]}' are given"
        raise Unfit((named[1],), "tools", what, "keep one of them")
    return found[named[0]] if named else ""


def read_tools(given: Any, path: Path) -> str:
    """Definitions as canonical text; empty for none. A bare function is put into the usual
    `{"type": "function", "function": …}`."""
    if isinstance(given, str) and given.strip():
        given = _parsed(given, path, "write a JSON list of tools")
    if isinstance(given, dict) and isinstance(given.get("tools"), list):
        given, path = given["tools"], (*path, "tools")
    if not given:
        return ""
    if not isinstance(given, list):
        what = f"'{path[-1]}' is {type_name(given)}, expected a list of tools"
        raise Unfit(path, "tools", what, "write a list")
    return canonical([tool for at, each in enumerate(given) for tool in _tools(each, (*path, at))])


def read_calls(given: Any, path: Path) -> str:
    """The calls of a `tool_calls` list, as canonical text; empty for none."""
    if isinstance(given, str) and given.strip():
        given = _parsed(given, path, WRITE_CALL)
    if not given:
        return ""
    if not isinstance(given, list):
        what = f"'{path[-1]}' is {type_name(given)}, expected a list of calls"
        raise Unfit(path, "tools", what, "write a list")
    return canonical([_call(each, (*path, at)) for at, each in enumerate(given)])


def read_function_call(given: Any, path: Path) -> str:
    """The calls of one `function_call`: {name, arguments}, a list of them, or the JSON text."""
    if isinstance(given, str):
        given = _parsed(given, path, WRITE_CALL)
    several = given if isinstance(given, list) else [given]
    if not several:
        raise Unfit(path, "tools", "the call is empty", WRITE_CALL)
    return canonical([_call(each, path) for each in several])


def canonical(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False, default=_odd)


def _odd(value: Any) -> Any:
    what = f"a tool call or definition holds {type_name(value)}"
    raise Unfit((), "tools", what, "write it as JSON")


def _tools(given: Any, path: Path) -> list[dict[str, Any]]:
    """The definitions of an entry: one, or a list of declarations."""
    if not isinstance(given, dict):
        raise Unfit(path, "tools", f"a tool is {type_name(given)}", WRITE_DEFINITION)
    for name in DECLARATIONS:
        if isinstance(given.get(name), list):
            return [_definition(each, (*path, name)) for each in given[name]]
    return [_definition(given, path)]


def _definition(given: Any, path: Path) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Unfit(path, "tools", f"a tool is {type_name(given)}", WRITE_DEFINITION)
    given = _with_parameters(given)
    function = given.get("function", given)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Unfit(path, "tools", "a tool definition has no name", WRITE_DEFINITION)
    return given if function is not given else {"type": "function", "function": given}


def _with_parameters(given: dict[str, Any]) -> dict[str, Any]:
    """A definition whose schema has another publisher's name, with that of the others."""
    if isinstance(given.get("toolSpec"), dict):
        given = given["toolSpec"]
    schema = given.get("input_schema", given.get("inputSchema"))
    if schema is None or "parameters" in given:
        return given
    held = schema["json"] if isinstance(schema, dict) and "json" in schema else schema
    kept = {k: v for k, v in given.items() if k not in ("input_schema", "inputSchema")}
    return {**kept, "parameters": held}


def _call(given: Any, path: Path) -> dict[str, Any]:
    """One call as {"type", "function": {"name", "arguments"}, "id"?}."""
    if not isinstance(given, dict):
        raise Unfit(path, "tools", f"a call is {type_name(given)}, expected an object", WRITE_CALL)
    function: dict[str, Any] = given
    known: tuple[str, ...] = (*FUNCTION_FIELDS, "id", "type")
    if isinstance(given.get("function"), dict):
        function, known = given["function"], CALL_FIELDS
        _check_names(function, FUNCTION_FIELDS, path)
    _check_names(given, known, path)
    if not isinstance(function.get("name"), str) or not function["name"].strip():
        raise Unfit(path, "tools", "a call has no name", WRITE_CALL)
    call = {
        "type": "function",
        "function": {"name": function["name"], "arguments": _arguments(function, path)},
    }
    if given.get("type") not in (None, "function"):
        what = f'a call of type "{str(given["type"])[:30]}": only functions are trained on'
        raise Unfit(path, "unsupported", what, "leave this row out")
    if isinstance(given.get("id"), str) and given["id"]:
        call["id"] = given["id"]
    elif given.get("id") not in (None, ""):
        raise Unfit(path, "tools", "a call's 'id' is not text", "write it as text in quotes")
    return call


def _arguments(function: dict[str, Any], path: Path) -> Any:
    """An object where they are one, also as text; other text as it is."""
    given = function.get("arguments")
    if given is None:
        return {}
    if isinstance(given, dict):
        return given
    if not isinstance(given, str):
        what = f"a call's 'arguments' is {type_name(given)}, expected an object"
        raise Unfit(path, "tools", what, WRITE_CALL)
    try:
        tree = _parsed(given, path, "")
    except Unfit:
        return given
    return tree if isinstance(tree, dict) else given


def _check_names(given: dict[str, Any], known: tuple[str, ...], path: Path) -> None:
    """Nothing of a call is passed over; nulls, which tables put into every record, say nothing."""
    for name, value in given.items():
        if name not in known and value is not None:
            near = nearest(name, list(known))
            what = f'a call has "{name[:40]}", which is not known'
            raise Unfit(path, "tools", what, f'did you mean "{near}"?' if near else WRITE_CALL)


def _parsed(text: str, path: Path, fix: str) -> Any:
    stripped = text.strip(" \t\r\n")
    try:
        value, end = json_text.parse(stripped)
    except BadJson as bad:
        what = f"'{path[-1]}' is not valid JSON inside its text ({bad.what})"
        raise Unfit(path, "tools", what, fix) from bad
    if end != len(stripped):
        what = f"'{path[-1]}' is not valid JSON inside its text (more follows after it)"
        raise Unfit(path, "tools", what, fix)
    return value
