"""A list of turns as messages: the names of their fields, their roles, contents, weights and
calls."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message, Role
from engine.data.shapes.order import Turn
from engine.data.shapes.parts import Said, read_parts
from engine.data.shapes.tools import canonical, read_calls, read_function_call
from engine.data.shapes.unfit import Path, Unfit, nearest, read_text
from engine.data.shapes.worded import calls_in, results_in

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "System": "system",
    "User": "user",
    "Chatbot": "assistant",
    "prompter": "user",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "ipython": "tool",
}
CALL_ROLES = ("function_call", "tool_call")
"""A turn that is a call and nothing else."""
SUGGESTED = ("system", "user", "assistant", "human", "gpt", "tool", "function_call")
NAMES = {
    "role": ("content", "parts"), "from": ("value",), "speaker": ("text",), "author": ("content",),
}  # fmt: skip
"""Who speaks, and what is said."""
PAIRS = (
    ("input", "output"), ("human", "assistant"), ("question", "answer"), ("instruction", "output"),
    ("prompt", "response"),
)  # fmt: skip
"""A question and its answer as one entry."""
WEIGHTS = ("weight", "loss_weight", "train", "training", "loss")
TURN_FIELDS = frozenset(
    [
        *NAMES, *(said for names in NAMES.values() for said in names), *WEIGHTS,
        *(name for pair in PAIRS for name in pair), "system",
        "tool_calls", "function_call", "tool_call_id", "name",
    ]
)  # fmt: skip
SIDES: tuple[Role, Role] = ("user", "assistant")
EMPTY_CODES: dict[Role, str] = {"assistant": "empty_answer"}


def read_turns(turns: Any, path: Path) -> list[Turn]:
    """The messages of a list of turns, of pairs, or of texts that take turns; a turn that is only a
    call joins the answer before it. Raises Unfit."""
    if not isinstance(turns, list):
        what = f"'{path[-1]}' is {type_name(turns)}, expected a list of turns"
        raise Unfit(path, "type", what, "write a list")
    if turns and all(isinstance(turn, str) for turn in turns):
        return [((*path, at), Message(SIDES[at % 2], said)) for at, said in enumerate(turns)]
    made: list[Turn] = []
    for at, turn in enumerate(turns):
        place = (*path, at)
        pair = _pair(turn)
        if pair:
            made += _read_pair(turn, pair, place, first=not made)
            continue
        messages, only_calls = read_turn(turn, place)
        if only_calls and made and made[-1][1].role == "assistant":
            made[-1] = (made[-1][0], _joined(made[-1][1], messages[0], place))
        else:
            made += [(place, message) for message in messages]
    return made


def read_turn(turn: Any, path: Path) -> tuple[list[Message], bool]:
    """The messages of one turn (several where it holds several results), and whether it is a call
    and nothing else. Raises Unfit."""
    if not isinstance(turn, dict):
        what = f"the turn is {type_name(turn)}, expected an object"
        raise Unfit(path, "type", what, 'write {"role": …, "content": …}')
    speaker = next((name for name in NAMES if name in turn), "role")
    if speaker not in turn:
        raise _missing(turn, speaker, path)
    role, only_calls = _role(turn[speaker], (*path, speaker))
    said = next((name for name in NAMES[speaker] if name in turn), NAMES[speaker][0])
    trained = _trained(turn, role, path)
    if only_calls:
        if said not in turn:
            raise _missing(turn, said, path)
        calls = read_function_call(turn[said], (*path, said))
        return [Message(role, "", trained, calls)], True
    calls = _calls(turn, role, path)
    name, answers = (_name(turn, field, path) for field in ("name", "tool_call_id"))
    held = _content(turn, said, role, path, calls=bool(calls))
    if held.calls:
        calls = _calls_of_parts(held.calls, role, (*path, said), calls)
    elif role == "assistant" and not calls and (worded := calls_in(held.text)):
        held.text, calls = worded[0], read_calls(worded[1], (*path, said))
    if role == "tool" and not held.results:
        return [
            Message(role, text, None, "", name, answers) for text in results_in(held.text)
        ], False
    messages = held.results
    if held.text or not messages:
        messages = [*messages, Message(role, held.text, trained, calls, name, answers)]
    return messages, False


def _pair(turn: Any) -> tuple[str, str] | None:
    """The names of a question and its answer in one entry that says not who speaks."""
    if not isinstance(turn, dict) or any(name in turn for name in NAMES):
        return None
    return next((pair for pair in PAIRS if pair[0] in turn and pair[1] in turn), None)


def _read_pair(
    turn: dict[str, Any], pair: tuple[str, str], path: Path, *, first: bool
) -> list[Turn]:
    """Question and answer, behind the system text that the first entry may have."""
    turns = [
        ((*path, name), Message(role, read_text(turn[name], (*path, name))))
        for role, name in zip(SIDES, pair, strict=True)
    ]
    system = turn.get("system")
    if system and first:
        turns.insert(0, (path, Message("system", read_text(system, (*path, "system")))))
    elif system:
        what = "a system text in an entry that is not the first"
        raise Unfit((*path, "system"), "order", what, "put it into the first")
    return turns


def _calls_of_parts(given: list[dict[str, Any]], role: Role, path: Path, calls: str) -> str:
    if role != "assistant" or calls:
        what = f"a call among the parts of a {role} turn" if not calls else "calls in two places"
        raise Unfit(path, "tools", what, "let the assistant call, in one place")
    return read_calls(given, path)


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


def _content(turn: dict[str, Any], said: str, role: Role, path: Path, *, calls: bool) -> Said:
    content = turn.get(said)
    if content is None and calls:
        return Said()
    if said not in turn:
        raise _missing(turn, said, path)
    place = (*path, said)
    if content is None:
        code = EMPTY_CODES.get(role, "empty_prompt")
        raise Unfit(place, code, f"'{said}' is null", "write the text, or delete the row")
    if isinstance(content, list):
        return read_parts(content, place)
    return Said(read_text(content, place))


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
