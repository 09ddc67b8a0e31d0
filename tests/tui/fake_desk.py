"""A desk and runs that answer from a script: the faces of the real ones, nothing heavy behind."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import events
from engine.errors import Cancelled, Problem
from engine.events import Body, Event
from engine.machine import Machine
from engine.runs.history import History
from engine.runs.listing import RunInfo

SUMMARY: dict[str, Any] = {
    "path": "/data/tickets.jsonl",
    "container": "jsonl",
    "format": "alpaca",
    "confidence": 1.0,
    "rows": 300,
    "usable": 300,
    "train": 270,
    "eval": 30,
    "dropped": 0,
    "truncated": 0,
    "label_tokens": 8123,
    "train_tokens": 20120,
    "max_length": 256,
    "tokens": {"p50": 62, "p95": 88, "p99": 97, "max": 101},
    "problems": [],
    "split": {"seed": 42, "fraction": 0.1, "method": "hash"},
    "overlap": {
        "exact": 0,
        "normalised": 0,
        "near": 0,
        "threshold": 0.8,
        "method": "word 3-grams of the user text",
    },
    "set_aside": 0,
    "checks": [],
    "histogram": {
        "edges": [55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105],
        "counts": [12, 40, 61, 58, 46, 38, 22, 14, 6, 3],
    },
    "edits": {
        "changed": 0,
        "mended": 0,
        "added": 0,
        "excluded": 0,
        "dropped": 0,
        "undo": False,
    },
    "mapping": None,
    "draft": None,
    "system": "You sort support tickets.",
    "template": "model",
    "notes": [],
}
PROBLEMS: list[dict[str, Any]] = [
    {
        "code": "unclosed-string",
        "count": 3,
        "rows": [118, 203, 204],
        "first": "tickets.jsonl:118:42: a string is not closed. Fix: add the quote.",
        "meaning": "The line is no JSON object, so it cannot be read.",
        "remedy": "Mend the line in an editor.",
    },
    {
        "code": "no-answer",
        "count": 1,
        "rows": [7],
        "first": "tickets.jsonl:7:1: the answer is empty. Fix: write one.",
        "meaning": "A row without an answer teaches nothing.",
        "remedy": "Write the answer or leave the row out.",
    },
]
CHECKS: list[dict[str, Any]] = [
    {
        "code": "near_copy",
        "title": "near copies",
        "severity": "warning",
        "count": 12,
        "rows": [3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36],
        "meaning": "These rows ask nearly the same; the model learns them by heart.",
        "remedy": "Keep one of each, or leave them as they are.",
        "remedies": ["keep_one", "drop", "leave"],
        "chosen": "",
    },
    {
        "code": "empty_answer",
        "title": "empty answers",
        "severity": "bad",
        "count": 2,
        "rows": [40, 41],
        "meaning": "A row without an answer teaches the model to be silent.",
        "remedy": "Leave these rows out.",
        "remedies": ["drop", "leave"],
        "chosen": "",
    },
    {
        "code": "long_answer",
        "title": "very long answers",
        "severity": "info",
        "count": 1,
        "rows": [77],
        "meaning": "This answer is much longer than the others.",
        "remedy": "Look at it.",
        "remedies": ["cut", "leave"],
        "chosen": "",
    },
]
MAPPING: dict[str, Any] = {
    "path": "/data/odd.csv",
    "container": "csv",
    "rows": 3,
    "mapping": {
        "path": "/data/odd.csv",
        "columns": ["id", "frage", "antwort", "rolle"],
        "guess": {"prompt": "frage", "answer": "antwort", "system": None},
        "rows": [
            {
                "id": "1",
                "frage": "Where is my parcel?",
                "antwort": "In Leipzig.",
                "rolle": "Be brief.",
            },
            {"id": "2", "frage": "And now?", "antwort": "In Halle.", "rolle": "Be brief."},
        ],
    },
}


def with_checks() -> dict[str, Any]:
    """A summary with a check of each severity."""
    return {**SUMMARY, "checks": [dict(check) for check in CHECKS]}


TICKETS = (
    (
        "My card was charged twice for March and I would like one of the two back.",
        "billing",
        "high",
        "refund the second charge",
    ),
    (
        "The invoice shows our old address, can you change it before Friday?",
        "account",
        "low",
        "change the address",
    ),
    ("The app closes whenever I open the camera on my phone.", "bug", "high", "ask for the log"),
)


def row_view(number: int, total: int = 300) -> dict[str, Any]:
    """A row as the desk shows it; every tenth is held out."""
    user, area, urgency, step = TICKETS[number % len(TICKETS)]
    answer = f"area: {area}\nurgency: {urgency}\nnext: {step}"
    system = "You sort support tickets."
    return {
        "index": number - 1,
        "number": number,
        "line": number,
        "side": "eval" if number % 10 == 0 else "train",
        "tokens": 60 + number % 40,
        "labels": 22 + number % 9,
        "truncated": False,
        "segments": [
            ["special", "<|im_start|>"],
            ["prompt", f"system\n{system}"],
            ["special", "<|im_end|>\n<|im_start|>"],
            ["prompt", f"user\n{user} (ticket {number})"],
            ["special", "<|im_end|>\n<|im_start|>"],
            ["prompt", "assistant\n"],
            ["answer", f"{answer}<|im_end|>"],
            ["special", "\n"],
        ],
        "system": system,
        "user": f"{user} (ticket {number})",
        "answer": answer,
        "excluded": False,
        "edited": False,
        "checks": [check["code"] for check in CHECKS if number in check["rows"]],
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"{user} (ticket {number})"},
            {"role": "assistant", "content": answer},
        ],
    }


class FakeCall:
    """One question to the desk. It is answered at once, or when the desk lets it go."""

    def __init__(self, work: Callable[[FakeCall], dict[str, Any]], held: threading.Event) -> None:
        self._work = work
        self._held = held
        self.cancelled = threading.Event()

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        self._held.wait(timeout)
        if self.cancelled.is_set():
            raise Cancelled
        return self._work(self)

    def cancel(self) -> None:
        self.cancelled.set()
        self._held.set()


@dataclass
class FakeDesk:
    """`problem` makes opening fail; `hold` names the calls that wait until `let_go`."""

    summary: dict[str, Any] = field(default_factory=lambda: dict(SUMMARY))
    rows: list[dict[str, Any]] = field(default_factory=lambda: [row_view(n) for n in range(1, 301)])
    problem: Problem | None = None
    prepare_problem: Problem | None = None
    progress: tuple[tuple[str, int, int], ...] = ()
    hold: set[str] = field(default_factory=set)
    run: Path = Path("/nowhere/runs/14-amber-lute")
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    closed: bool = False
    part: dict[str, Any] | None = None
    """What can be looked at while the data is still being opened."""
    page: int = 500
    """How many held-out rows one answer holds."""
    record: dict[str, Any] = field(default_factory=dict)
    """What is otherwise with a faulty record."""
    record_problem: Problem | None = None
    """What mended text is refused with."""
    searched: bool = True
    """Whether all rows were looked at for words; until `search` is let go, only the first ten were."""
    change_problem: Problem | None = None
    """What every change is refused with."""

    def __post_init__(self) -> None:
        self._gates: dict[str, threading.Event] = {}
        self._open = threading.Event()
        self._open.set()
        self._undo: list[tuple[list[dict[str, Any]], dict[str, str]]] = []
        self._chosen: dict[str, str] = {}

    def start(self) -> None: ...

    def close(self) -> None:
        self.closed = True
        for gate in self._gates.values():
            gate.set()

    @property
    def held(self) -> bool:
        """Whether a call is waiting to be let go."""
        return any(not gate.is_set() for gate in self._gates.values())

    def let_all_go(self) -> None:
        for name in self._gates:
            self.let_go(name)

    def let_go(self, name: str) -> None:
        self._gates.setdefault(name, threading.Event()).set()

    def call(
        self,
        name: str,
        on_progress: Callable[[str, int, int], None] | None = None,
        on_item: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> FakeCall:
        self.asked.append((name, arguments))
        if name == "open_data" and on_progress:
            for phase, done, total in self.progress:
                on_progress(phase, done, total)
        if name == "open_data" and on_item and self.part:
            on_item({"summary": self.part})
        gate = self._gates.setdefault(name, threading.Event()) if name in self.hold else self._open
        return FakeCall(lambda call: self._answer(name, arguments, on_item), gate)

    def _answer(
        self, name: str, given: dict[str, Any], on_item: Callable[[dict[str, Any]], None] | None
    ) -> dict[str, Any]:
        match name:
            case "open_data":
                if self.problem:
                    raise self.problem
                return self.summary
            case "rows":
                return self._rows(**given)
            case "prepare":
                if self.prepare_problem:
                    raise self.prepare_problem
                return {"id": self.run.name, "path": str(self.run)}
            case "held_out":
                return self._held_out(**given)
            case "answers":
                return _answers(given, on_item)
            case "place":
                return self._place(**given)
            case "find":
                return self._find(**given)
            case "search":
                return self._search(on_item, **given)
            case "record":
                return self._record(given["number"])
            case "read_record":
                if self.record_problem:
                    raise self.record_problem
                return {}
            case "tokens":
                return {"tokens": _tokens(self.rows[given["index"]])}
            case (
                "edit"
                | "add"
                | "exclude"
                | "restore"
                | "undo"
                | "remedy"
                | "mend_record"
                | "drop_records"
            ):
                if self.change_problem:
                    raise self.change_problem
                return self._change(name, given)
            case "save_as":
                return {"path": given["path"], "rows": len(self._side(given["side"]))}
        return {}

    def _place(
        self, number: int, side: str | None = None, where: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        numbers = [row["number"] for row in self._meeting(side, where or {})]
        return {"place": next((at for at, each in enumerate(numbers) if each >= number), None)}

    def _find(
        self, text: str, after: int, by: int, side: str | None, where: dict[str, Any]
    ) -> dict[str, Any]:
        rows = self._meeting(side, where)
        ring = [(after + by * step) % len(rows) for step in range(1, len(rows) + 1)]
        holding = (at for at in ring if _holds(rows[at], text))
        return {"place": next(holding, None)}

    def _search(
        self,
        on_item: Callable[[dict[str, Any]], None] | None,
        side: str | None,
        where: dict[str, Any],
    ) -> dict[str, Any]:
        self.searched = True
        return {"total": len(self._meeting(side, where))}

    def _record(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "path": "/data/tickets.jsonl",
            "line": number,
            "column": 42,
            "what": "a string is not closed",
            "fix": "add the quote",
            "text": f'{{"instruction": "q{number}", "output": "half}}',
            "header": [],
            "as_row": True,
            **self.record,
        }

    def _held_out(self, run: str | None = None, start: int = 0) -> dict[str, Any]:
        prompts = [_prompt(n, row) for n, row in enumerate(self._side("eval"))]
        some = prompts[start : start + self.page]
        return {"prompts": some, "total": len(prompts), "most": self.page}

    def _change(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked to the rows, and count anew."""
        if name == "undo":
            self.rows, self._chosen = self._undo.pop()
        else:
            self._undo.append(([dict(row) for row in self.rows], dict(self._chosen)))
        match name:
            case "edit":
                self._put(given["index"], given["messages"])
            case "mend_record" | "drop_records":
                self._mend(name, given)
            case "add":
                self.rows.append({**row_view(len(self.rows) + 1), "line": 0, "checks": []})
                self._put(len(self.rows) - 1, given["messages"])
            case "exclude" | "restore":
                for index in given["indexes"]:
                    self.rows[index] = {**self.rows[index], "excluded": name == "exclude"}
            case "remedy":
                self._chosen[given["check"]] = given["action"]
                for row in self.rows:
                    if given["action"] == "drop" and given["check"] in row["checks"]:
                        row["excluded"] = True
        return self._counted()

    def _mend(self, name: str, given: dict[str, Any]) -> None:
        """The record counts no more; one that was mended is a row."""
        numbers = given.get("numbers") or [given["number"]]
        if name == "mend_record":
            self.rows.append({**row_view(len(self.rows) + 1), "edited": True, "mended": True})
        problems = []
        for each in self.summary["problems"]:
            kept = [at for at, number in enumerate(each["rows"]) if number not in numbers]
            count = each["count"] - len(each["rows"]) + len(kept)
            listed = {name: [each[name][at] for at in kept] for name in ("rows", "places")
                      if name in each}  # fmt: skip
            problems.append({**each, **listed, "count": count})
        self.summary = {**self.summary, "problems": [p for p in problems if p["count"]]}

    def _put(self, index: int, messages: list[dict[str, Any]]) -> None:
        texts = {message["role"]: message["content"] for message in messages}
        kinds = {"assistant": "answer"}
        self.rows[index] = {
            **self.rows[index],
            "messages": messages,
            "system": texts.get("system", ""),
            "user": texts.get("user", ""),
            "answer": texts.get("assistant", ""),
            "segments": [[kinds.get(m["role"], "prompt"), m["content"] + "\n"] for m in messages],
            "edited": True,
        }

    def _counted(self) -> dict[str, Any]:
        kept = [row for row in self.rows if not row["excluded"]]
        sides = [row["side"] for row in kept]
        added = sum(row["line"] == 0 for row in self.rows)
        self.summary = {
            **self.summary,
            "rows": len(self.rows),
            "train": sides.count("train"),
            "eval": sides.count("eval"),
            "checks": [
                {**check, "chosen": self._chosen.get(check["code"], "")}
                for check in self.summary.get("checks", [])
            ],
            "edits": {
                "changed": sum(row["edited"] for row in self.rows) - added,
                "added": added,
                "excluded": len(self.rows) - len(kept),
                "undo": bool(self._undo),
            },
        }
        return self.summary

    def _side(self, side: str | None) -> list[dict[str, Any]]:
        return [row for row in self.rows if side is None or row["side"] == side]

    def _rows(
        self, start: int, count: int, side: str | None = None, where: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        found = self._meeting(side, where or {})
        left = 0
        if (where or {}).get("text") and not self.searched:
            found = [row for row in found if row["number"] <= 10]
            left = len(self.rows) - 10
        return {"rows": found[start : start + count], "total": len(found), "left": left}

    def _meeting(self, side: str | None, asked: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            row
            for row in self._side(side)
            if _holds(row, asked.get("text", ""))
            and ("check" not in asked or asked["check"] in row["checks"])
            and asked.get("min_tokens", 0) <= row["tokens"] <= asked.get("max_tokens", 10**9)
            and (not asked.get("state") or row.get(asked["state"]))
        ]


def _holds(row: dict[str, Any], text: str) -> bool:
    return text.casefold() in f"{row['user']}\n{row['answer']}".casefold()


def _tokens(row: dict[str, Any]) -> list[list[Any]]:
    """A token a word, with the space before it."""
    found: list[list[Any]] = []
    for kind, text in row["segments"]:
        words = [text] if kind == "special" else re.findall(r"\n|[^\S\n]*\S+", text)
        found += [[kind, word, 1_000 + len(word)] for word in words]
    return found


def _prompt(index: int, row: dict[str, Any]) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": row["system"]},
        {"role": "user", "content": row["user"]},
    ]
    return {
        "index": index,
        "system": row["system"],
        "user": row["user"],
        "messages": messages,
        "reference": row["answer"],
    }


def _answers(
    given: dict[str, Any], on_item: Callable[[dict[str, Any]], None] | None
) -> dict[str, Any]:
    texts = {
        "base": "I'm sorry to hear that you're having trouble. Could you tell me more about it?",
        "tuned": "area: billing\nurgency: high\nnext: refund the second charge",
    }
    found = []
    for place, _ in enumerate(given["prompts"]):
        one = {}
        for side in given["sides"]:
            for word in texts[side].split(" "):
                if on_item:
                    on_item({"prompt": place, "side": side, "text": word + " ", "done": False})
            if on_item:
                on_item({"prompt": place, "side": side, "text": "", "done": True})
            one[side] = {"text": texts[side], "tokens": 18, "seconds": 1.2, "stopped": True}
        found.append(one)
    return {"answers": found}


# ---------------------------------------------------------------- runs


def story(steps: int = 51, upto: int | None = None, ending: Body | None = None) -> list[Body]:
    """What a run of `steps` updates reports until `upto`, and its last word."""
    upto = steps if upto is None else upto
    bodies: list[Body] = [
        events.Hello(pid=1, device="cpu", dtype="bfloat16"),
        events.PhaseBegan("loading"),
        events.DataReady(rows=300, train=270, eval=30, label_tokens=8123),
        events.Plan(choices={"total_steps": steps}),
        events.PhaseBegan("evaluating"),
        events.Eval(step=0, loss=2.87, examples=30, baseline=True),
        events.PhaseBegan("training"),
    ]
    for step in range(1, upto + 1):
        bodies.append(
            events.Step(
                step=step, total_steps=steps, epoch=3 * step / steps, loss=2.9 / (1 + 0.1 * step),
                learning_rate=1e-4, grad_norm=0.8, tokens=900, label_tokens=300, seconds=1.5, 
                tokens_per_second=371.0, memory_bytes=1_700_000_000,
            )
        )  # fmt: skip
        if step % 4 == 0:
            bodies.append(events.Eval(step=step, loss=2.9 / (1 + 0.085 * step), examples=30))
            bodies.append(events.Checkpoint(step=step, best=True))
    return bodies + ([ending] if ending else [])


DONE = events.Done(step=51, best_step=48, best_loss=0.71, path="/nowhere/final")


def as_events(
    bodies: list[Body], run: str = "14-amber-lute", start: int = 0, since: float = 1_790_000_000.0
) -> list[Event]:
    return [Event(run, seq, 0, since + 1.5 * seq, body) for seq, body in enumerate(bodies, start)]


class FakeFollower:
    def __init__(self, given: list[Event]) -> None:
        self.queue: queue.Queue[Event] = queue.Queue()
        self.stopped = False
        for event in given:
            self.queue.put(event)

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True


class FakeRuns:
    """Runs whose events are put in by hand."""

    def __init__(
        self, bodies: list[Body] | None = None, found: list[RunInfo] | None = None
    ) -> None:
        self.bodies = bodies or []
        self.found = found or []
        self.started: list[Path] = []
        self.sent: list[tuple[Path, str]] = []
        self.follower: FakeFollower | None = None
        self.lost = False
        self.warmed = 0

    def warm_up(self) -> None:
        self.warmed += 1

    def start(self, path: Path) -> None:
        self.started.append(path)

    def follow(self, path: Path) -> FakeFollower:
        self.follower = FakeFollower(as_events(self.bodies, path.name))
        return self.follower

    def config(self, path: Path) -> None:
        return None

    def send(self, path: Path, name: str) -> None:
        self.sent.append((path, name))

    def all(self) -> list[RunInfo]:
        return self.found

    def is_lost(self, path: Path, history: History) -> bool:
        return self.lost

    def is_alive(self, path: Path) -> bool:
        return not self.lost

    def machine(self) -> Machine:
        return Machine(cpus=2, memory_total=25_100_000_000, memory_used=3_300_000_000, gpus=())

    def close(self) -> None: ...


def some_runs() -> list[RunInfo]:
    now = time.time()
    return [
        RunInfo(
            "14-amber-lute",
            "",
            "training",
            31,
            51,
            2.87,
            0.74,
            28,
            Path("/nowhere/runs/14-amber-lute"),
            now - 120,
        ),
        RunInfo(
            "13-calm-otter",
            "higher rate",
            "done",
            51,
            51,
            2.87,
            0.71,
            48,
            Path("/nowhere/runs/13-calm-otter"),
            now - 7_300,
        ),
        RunInfo(
            "12-brisk-fern",
            "",
            "failed",
            3,
            51,
            2.87,
            float("nan"),
            0,
            Path("/nowhere/runs/12-brisk-fern"),
            now - 90_000,
        ),
    ]
