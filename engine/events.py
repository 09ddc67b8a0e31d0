"""What a run reports: one JSON object a line, appended to `events.jsonl` and put on the progress queue.

Every event has `v, run, seq, attempt, time, kind` and then the fields of its kind, defined here once.
`loss` is the mean over label tokens; `tokens` are real tokens (no padding); times are seconds.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

VERSION = 1
MAX_LINE_BYTES = 1_000_000

Phase = Literal[
    "loading", "tokenizing", "planning", "compiling", "training", "evaluating", "saving"
]


@dataclass(frozen=True)
class Body:
    """The fields of one kind of event."""

    kind: ClassVar[str] = ""


@dataclass(frozen=True)
class Hello(Body):
    """An attempt begins: which process, on what."""

    kind: ClassVar[str] = "hello"
    pid: int = 0
    device: str = ""
    dtype: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PhaseBegan(Body):
    kind: ClassVar[str] = "phase"
    name: str = ""


@dataclass(frozen=True)
class Progress(Body):
    """How far a phase is; `total` 0 means not known."""

    kind: ClassVar[str] = "progress"
    phase: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class DataReady(Body):
    kind: ClassVar[str] = "data"
    rows: int = 0
    train: int = 0
    eval: int = 0
    dropped: int = 0
    truncated: int = 0
    label_tokens: int = 0


@dataclass(frozen=True)
class Plan(Body):
    """What the trainer chose, said once estimated and once more when measured.

    `peak_bytes` and `seconds` are the better of what is known; `estimate` and `measured` tell them by part.
    """

    kind: ClassVar[str] = "plan"
    token_budget: int = 0
    peak_bytes: int = 0
    seconds: float = 0.0
    choices: dict[str, Any] = field(default_factory=dict)
    estimate: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step(Body):
    """One update of the weights. `epoch` counts passes done, as a fraction."""

    kind: ClassVar[str] = "step"
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    loss: float = math.nan
    learning_rate: float = 0.0
    grad_norm: float = math.nan
    tokens: int = 0
    label_tokens: int = 0
    seconds: float = 0.0
    tokens_per_second: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Eval(Body):
    """The held-out loss after `step` updates; step 0 is the baseline. `all_rows` is false for a subset."""

    kind: ClassVar[str] = "eval"
    step: int = 0
    loss: float = math.nan
    perplexity: float = math.nan
    examples: int = 0
    all_rows: bool = True
    baseline: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint(Body):
    kind: ClassVar[str] = "checkpoint"
    step: int = 0
    path: str = ""
    bytes: int = 0
    best: bool = False


@dataclass(frozen=True)
class CommandTaken(Body):
    """A command took effect, or `ok` is false and `why` says what stood in its way."""

    kind: ClassVar[str] = "command"
    id: str = ""
    name: str = ""
    step: int = 0
    ok: bool = True
    why: str = ""


@dataclass(frozen=True)
class Resumed(Body):
    """An attempt went on from a checkpoint; points after `from_step` belong to earlier attempts."""

    kind: ClassVar[str] = "resumed"
    from_step: int = 0


@dataclass(frozen=True)
class Warned(Body):
    kind: ClassVar[str] = "warning"
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class NonFinite(Body):
    """The loss or the gradient is not a number; the weights were not touched by it."""

    kind: ClassVar[str] = "nonfinite"
    step: int = 0
    what: str = ""
    rows: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class OutOfMemory(Body):
    """The token budget was cut and the same work begun again; a save, which no budget makes smaller, just again."""

    kind: ClassVar[str] = "oom"
    step: int = 0
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class Stopped(Body):
    kind: ClassVar[str] = "stopped"
    step: int = 0
    path: str = ""


@dataclass(frozen=True)
class Done(Body):
    """The run is complete. `best_loss` is the lowest held-out loss; NaN when nothing was held out."""

    kind: ClassVar[str] = "done"
    step: int = 0
    best_step: int = 0
    best_loss: float = math.nan
    path: str = ""


@dataclass(frozen=True)
class Failed(Body):
    """The run ended in error; `message` is one line for a person."""

    kind: ClassVar[str] = "failed"
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Unknown(Body):
    """An event of a kind this version does not know: kept, shown nowhere."""

    kind: ClassVar[str] = "unknown"
    name: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


BODIES: dict[str, type[Body]] = {
    body.kind: body
    for body in (
        Hello, PhaseBegan, Progress, DataReady, Plan, Step, Eval, Checkpoint, CommandTaken, Resumed,
        Warned, NonFinite, OutOfMemory, Stopped, Done, Failed,
    )
}  # fmt: skip
LAST_WORDS = (Stopped, Done, Failed)


@dataclass(frozen=True)
class Event:
    """A body with its envelope. `seq` counts from 0 over the whole run, attempts included."""

    run: str
    seq: int
    attempt: int
    time: float
    body: Body


def encode(event: Event) -> str:
    """One line of JSON without its newline. NaN and infinity become null: JSON has neither."""
    tree: dict[str, Any] = {
        "v": VERSION,
        "run": event.run,
        "seq": event.seq,
        "attempt": event.attempt,
        "time": event.time,
        "kind": event.body.kind,
    }
    for each in dataclasses.fields(event.body):
        value = getattr(event.body, each.name)
        tree[each.name] = None if isinstance(value, float) and not math.isfinite(value) else value
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


def decode(line: str | bytes) -> Event | None:
    """Read a line back; None for a damaged one. Fields of a newer version are passed over."""
    try:
        tree = json.loads(line)
        kind = tree["kind"]
        head = (str(tree["run"]), int(tree["seq"]), int(tree["attempt"]), float(tree["time"]))
        return Event(*head, _body(kind, tree))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _body(kind: str, tree: dict[str, Any]) -> Body:
    known = BODIES.get(kind)
    if known is None:
        return Unknown(name=str(kind), fields=tree)
    given: dict[str, Any] = {}
    for each in dataclasses.fields(known):
        if each.name not in tree:
            continue
        value = tree[each.name]
        if value is None and each.type == "float":
            value = math.nan
        given[each.name] = _fitting(value, str(each.type))
    return known(**given)


def _fitting(value: Any, kind: str) -> Any:
    """The value if it is of the field's kind; a ValueError makes the line a damaged one."""
    if kind == "float":
        return float(value)
    expected = {"int": int, "str": str, "bool": bool}.get(kind)
    if expected and not isinstance(value, expected):
        raise ValueError(kind)
    return value
