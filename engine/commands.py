"""What a run can be told. A command is acknowledged by a `command` event with the same id."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Literal, get_args

Name = Literal["stop", "kill", "save", "eval"]
NAMES: tuple[str, ...] = get_args(Name)
MAX_LINE_BYTES = 64_000


@dataclass(frozen=True)
class Command:
    """`stop` saves and ends; `kill` ends at once; `save` and `eval` happen at the next step's edge."""

    name: Name
    id: str


def command(name: Name) -> Command:
    return Command(name, uuid.uuid4().hex[:12])


def encode(given: Command) -> str:
    return json.dumps({"id": given.id, "name": given.name})


def decode(line: str | bytes) -> Command | None:
    """Read one line; None when it is no command this version knows."""
    try:
        tree = json.loads(line)
        name, key = tree["name"], tree["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if name not in NAMES or not isinstance(key, str) or len(key) > 64:
        return None
    return Command(name, key)
