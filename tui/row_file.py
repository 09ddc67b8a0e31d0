"""A row as a text file for the person's own editor, and that text read back strictly.

Each turn begins with a line `=== role`; a line of the row itself that begins like one gets a `\\` in front.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from engine.errors import Problem

ROLES = ("system", "user", "assistant", "tool")
INTRODUCTION = (
    "# A turn begins with a line `=== system`, `=== user`, `=== assistant` or `=== tool`.\n"
    "# These two lines are left out. Your data file stays as it is.\n"
)
_HEAD = re.compile(r"=== (\S+)(?: #(\d+))?\s*")
_LIKE_A_HEAD = re.compile(r"(?m)^(\\*===)")
_ESCAPED = re.compile(r"(?m)^\\(\\*===)")


def written(messages: Sequence[dict[str, Any]]) -> str:
    """The row as text. `#2` behind a role says that the turn keeps what else the second one holds."""
    parts = [INTRODUCTION]
    for number, message in enumerate(messages, 1):
        more = f" #{number}" if set(message) - {"role", "content"} else ""
        content = _LIKE_A_HEAD.sub(r"\\\1", str(message["content"]))
        parts.append(f"=== {message['role']}{more}\n{content}\n")
    return "".join(parts)


def read(text: str, was: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of such a text; a Problem names the line that cannot be understood."""
    text = text.removeprefix(INTRODUCTION)
    if text and not text.endswith("\n"):
        text += "\n"
    found: list[dict[str, Any]] = []
    content: list[str] = []
    for number, line in enumerate(text.split("\n")[:-1], 1):
        if line.startswith("==="):
            if found:
                found[-1]["content"] = "\n".join(content)
            found.append(_head(line, number, was))
            content = []
        elif found:
            content.append(_ESCAPED.sub(r"\1", line))
        elif line.strip() and not line.startswith("#"):
            raise _problem(number, "there is text before the first turn", "put `=== user` above it")
    if not found:
        raise _problem(1, "there is no turn", "begin with a line `=== user`")
    found[-1]["content"] = "\n".join(content)
    return found


def _head(line: str, number: int, was: Sequence[dict[str, Any]]) -> dict[str, Any]:
    match = _HEAD.fullmatch(line)
    if match is None or match[1] not in ROLES:
        fix = "write `=== user`, or `\\===` where it belongs to the text"
        raise _problem(number, f"`{line[:40]}` names no role", fix)
    if match[2] is None:
        return {"role": match[1], "content": ""}
    place = int(match[2][:9]) - 1
    if not 0 <= place < len(was) or was[place]["role"] != match[1]:
        raise _problem(number, f"#{match[2][:9]} is no {match[1]} turn of this row", "take it out")
    return {**was[place], "content": ""}


def _problem(line: int, what: str, fix: str) -> Problem:
    return Problem(f"the row, line {line}", what, fix)
