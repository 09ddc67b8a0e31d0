"""The desk's process: reads questions, does them one after another, and ends when its pipe closes."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from typing import Any

from engine.errors import Cancelled, Problem

AT_ONCE = ("rows", "place", "tokens", "draft", "draft_record")
"""Done by who listens, before anything else is heard: what takes no time."""
BESIDE = ("search", "find", "record", "read_record", "held_out")
"""Done beside the work in hand, each in a thread of its own."""


class Line:
    """The way back to the app: one JSON object a line, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "wb", buffering=0)
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            while data:
                data = data[self._out.write(data) or 0 :]


class Task:
    """One question under way: how work reports, and how it learns that it is no longer wanted."""

    def __init__(self, key: int, line: Line) -> None:
        self.key, self._line = key, line
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def progress(self, phase: str, done: int, total: int) -> None:
        if self.cancelled:
            raise Cancelled
        self._line.send({"id": self.key, "progress": [phase, done, total]})

    def item(self, item: dict[str, Any]) -> None:
        self._line.send({"id": self.key, "item": item})


def main() -> None:
    os.umask(0o077)
    line = Line(os.dup(1))
    os.dup2(2, 1)  # a library that prints must not break the line
    waiting: queue.SimpleQueue[tuple[Task, str, dict[str, Any]]] = queue.SimpleQueue()
    from engine.desk.work import Work

    work = Work()
    threading.Thread(target=_listen, args=(line, work, waiting), daemon=True).start()
    while True:
        _do(work, line, *waiting.get())


def _listen(
    line: Line, work: Any, waiting: queue.SimpleQueue[tuple[Task, str, dict[str, Any]]]
) -> None:
    tasks: dict[int, Task] = {}
    for text in sys.stdin.buffer:
        message = json.loads(text)
        if "cancel" in message:
            task = tasks.get(message["cancel"])
            if task:
                task.cancel()
            continue
        task = tasks[message["id"]] = Task(message["id"], line)
        if message["call"] in AT_ONCE:
            _do(work, line, task, message["call"], message["args"])
        elif message["call"] in BESIDE:
            given = (work, line, task, message["call"], message["args"])
            threading.Thread(target=_do, args=given, daemon=True).start()
        else:
            waiting.put((task, message["call"], message["args"]))
    os._exit(0)


def _do(work: Any, line: Line, task: Task, name: str, args: dict[str, Any]) -> None:
    try:
        if task.cancelled:
            raise Cancelled
        line.send({"id": task.key, "result": work.calls[name](task, **args)})
    except Cancelled:
        line.send({"id": task.key, "cancelled": True})
    except Problem as problem:
        line.send({"id": task.key, "problem": problem.to_json()})
    except Exception as error:
        traceback.print_exc()
        words = (str(error) or type(error).__name__).strip().splitlines()[0][:300]
        line.send({"id": task.key, "problem": _unforeseen(name, type(error).__name__, words)})


def _unforeseen(call: str, kind: str, words: str) -> dict[str, str]:
    return Problem(call, f"{kind}: {words}", "see the desk's log, and please report it").to_json()


if __name__ == "__main__":
    main()
