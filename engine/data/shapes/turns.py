"""A list of turns as messages: the names of their fields, their roles, contents, weights and
calls."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message, Role
from engine.data.shapes.order import Turn
from engine.data.shapes.tools import canonical, read_calls, read_function_call
from engine.data.shapes.unfit import Path, Unfit, nearest, read_text

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "ipython": "tool",
}
CALL_ROLES = ("function_call", "tool_call")
"""A turn that is a call and nothing else."""
SUGGESTED = ("system", "user", "assistant", "human", "gpt", "tool", "function_call")
NAMES = {"role": "content", "from": "value", "speaker": "text"}
WEIGHTS = ("weight", "loss_weight", "train", "training", "loss")
TURN_FIELDS = frozenset(
    [*NAMES, *NAMES.values(), *WEIGHTS, "tool_calls", "function_call", "tool_call_id", "name"]
)
EMPTY_CODES: dict[Role, str] = {"assistant": "empty_answer"}


def read_turns(turns: Any, path: Path) -> list[Turn]:
    """The messages of a list of turns; a turn that is only a call joins the answer before it.
    Raises Unfit."""
    if not isinstance(turns, list):
        what = f"'{path[-1]}' is {type_name(turns)}, expected a list of turns"
        raise Unfit(path, "type", what, "write a list")
    made: list[Turn] = []
    for at, turn in enumerate(turns):
        place = (*path, at)
        message, only_calls = read_turn(turn, place)
        if only_calls and made and made[-1][1].role == "assistant":
            made[-1] = (made[-1][0], _joined(made[-1][1], message, place))
        else:
            made.append((place, message))
    return made


def read_turn(turn: Any, path: Path) -> tuple[Message, bool]:
    """One turn, and whether it is a call and nothing else. Raises Unfit."""
    if not isinstance(turn, dict):
        what = f"the turn is {type_name(turn)}, expected an object"
        raise Unfit(path, "type", what, 'write {"role": …, "content": …}')
    speaker = next((name for name in NAMES if name in turn), "role")
    if speaker not in turn:
        raise _missing(turn, speaker, path)
    role, only_calls = _role(turn[speaker], (*path, speaker))
    said = NAMES[speaker]
    trained = _trained(turn, role, path)
    if only_calls:
        if said not in turn:
            raise _missing(turn, said, path)
        calls = read_function_call(turn[said], (*path, said))
        return Message(role, "", trained, calls), True
    calls = _calls(turn, role, path)
    content = _content(turn, said, role, path, calls=bool(calls))
    name, answers = (_name(turn, field, path) for field in ("name", "tool_call_id"))
    return Message(role, content, trained, calls, name, answers), False


def _joined(answer: Message, call: Message, path: Path) -> Message:
    if answer.trained != call.trained:
        what = "a call and the answer it belongs to have different weights"
        raise Unfit(path, "unsupported", what, "give both the same weight")
    calls = canonical([*answer.calls, *call.calls])
    return replace(answer, tool_calls=calls)


def _role(given: Any, path: Path) -> tuple[Role, bool]:
    if not isinstance(given, str):
        what = f"'{path[-1]}' is {type_name(given)}, expected text"
        raise Unfit(path, "type", what, 'write "user" or "assistant"')
    if given in ROLES:
        return ROLES[given], False
    if given in CALL_ROLES:
        return "assistant", True
    near = get_close_matches(given.strip().lower(), SUGGESTED, 1, 0.6)
    fix = f'did you mean "{near[0]}"?' if near else "use system, user, assistant or tool"
    raise Unfit(path, "role", f'the role "{given[:40]}" is not known', fix)


def _calls(turn: dict[str, Any], role: Role, path: Path) -> str:
    """The calls of an answer, of either spelling."""
    found = [name for name in ("tool_calls", "function_call") if turn.get(name)]
    if not found:
        return ""
    if role != "assistant":
        what = f"'{found[0]}' on a {role} turn"
        raise Unfit((*path, found[0]), "tools", what, "let the assistant call")
    if len(found) == 2:
        what = "both 'tool_calls' and 'function_call' are given"
        raise Unfit((*path, found[1]), "tools", what, "keep one of them")
    read = read_calls if found[0] == "tool_calls" else read_function_call
    return read(turn[found[0]], (*path, found[0]))


def _content(turn: dict[str, Any], said: str, role: Role, path: Path, *, calls: bool) -> str:
    content = turn.get(said)
    if content is None and calls:
        return ""
    if said not in turn:
        raise _missing(turn, said, path)
    place = (*path, said)
    if content is None:
        code = EMPTY_CODES.get(role, "empty_prompt")
        raise Unfit(place, code, f"'{said}' is null", "write the text, or delete the row")
    if isinstance(content, list):
        return "".join(_part(part, (*place, at)) for at, part in enumerate(content))
    return read_text(content, place)


def _part(part: Any, path: Path) -> str:
    """The text of one typed part: {"type": "text", "text": …} (or "value")."""
    if not isinstance(part, dict):
        what = f"a part is {type_name(part)}, expected an object"
        raise Unfit(path, "type", what, 'write {"type": "text", "text": …}')
    kind = part.get("type", "text")
    if kind != "text":
        what = f'a part of type "{str(kind)[:30]}": only text is trained on'
        raise Unfit(path, "unsupported", what, "leave this row out")
    text = part.get("text")
    text = part.get("value") if text is None else text
    if not isinstance(text, str):
        what = f"a part's text is {type_name(text)}, expected text"
        raise Unfit(path, "type", what, "write it as text")
    return text


def _trained(turn: dict[str, Any], role: Role, path: Path) -> bool | None:
    """What the turn's weight says of its answer; a weight in between has no meaning here."""
    found: bool | None = None
    for name in WEIGHTS:
        weight = turn.get(name)
        if weight is None:
            continue
        if not isinstance(weight, (int, float)) or weight not in (0, 1):
            what = f"'{name}' {str(weight)[:20]}: only weights 0 and 1 are kept to"
            raise Unfit((*path, name), "unsupported", what, "set it to 0 or 1")
        if role == "assistant":
            if found is not None and found != bool(weight):
                what = f"'{name}' says otherwise than the weight before it"
                raise Unfit((*path, name), "unsupported", what, "keep one of them")
            found = bool(weight)
        elif weight:
            what = f"'{name}' 1 on a {role} turn: weights are for answers"
            raise Unfit((*path, name), "unsupported", what, "set it to 0, or leave this row out")
    return found


def _name(turn: dict[str, Any], field: str, path: Path) -> str:
    given = turn.get(field)
    return "" if given is None else read_text(given, (*path, field))


def _missing(turn: dict[str, Any], name: str, path: Path) -> Unfit:
    names = list(turn)
    near = nearest(name, names)
    fix = f'rename "{near}" to "{name}"' if near else f'add "{name}"'
    shown = f" (it has {', '.join(each[:30] for each in names[:6])})" if names else ""
    return Unfit(path, "missing", f"the turn has no '{name}'{shown}", fix)
