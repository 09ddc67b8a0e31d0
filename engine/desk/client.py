"""An app's end of the desk: start it, ask, hear progress, cancel."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from engine import paths
from engine.errors import Cancelled, Problem
from engine.runs import launch

OnProgress = Callable[[str, int, int], None]
OnItem = Callable[[dict[str, Any]], None]
DESK = [sys.executable, "-P", "-m", "engine.desk.process"]
END_SECONDS = 3.0


class Call:
    """One question under way. The callbacks run in the desk's reader thread."""

    def __init__(
        self, desk: Desk, key: int, on_progress: OnProgress | None, on_item: OnItem | None
    ) -> None:
        self._desk, self.key = desk, key
        self._on_progress, self._on_item = on_progress, on_item
        self._over = threading.Event()
        self._result: dict[str, Any] = {}
        self._error: Exception | None = None

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the answer. Raises Problem, Cancelled, or TimeoutError after `timeout` seconds."""
        if not self._over.wait(timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self) -> None:
        """Ask the desk to drop it; `result` then raises Cancelled."""
        self._desk.send({"cancel": self.key})

    def hear(self, message: dict[str, Any]) -> bool:
        """Take one message; True when it was the last word."""
        if "progress" in message:
            if self._on_progress:
                self._on_progress(*message["progress"])
            return False
        if "item" in message:
            if self._on_item:
                self._on_item(message["item"])
            return False
        if "problem" in message:
            self.end(Problem.from_json(message["problem"]))
        elif "cancelled" in message:
            self.end(Cancelled())
        else:
            self._result = message["result"]
            self.end(None)
        return True

    def end(self, error: Exception | None) -> None:
        self._error = error
        self._over.set()


class Desk:
    """Starts the desk's process and talks to it; it ends when this side closes or dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._calls: dict[int, Call] = {}
        self._next = 0
        self._lock = threading.Lock()
        self.log = paths.logs() / "desk.log"

    def start(self) -> None:
        """Start it; returns at once, while it imports. A desk that died is started afresh."""
        paths.make_private(self.log.parent)
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        environment = launch.environment()
        if "HF_HUB_OFFLINE" not in os.environ:
            del environment[
                "HF_HUB_OFFLINE"
            ]  # a trainer needs no hub; the desk fetches models from it
        try:
            self._process = subprocess.Popen(
                DESK, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=descriptor,
                cwd=os.getcwd(), env=environment, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(descriptor)
        threading.Thread(target=self._read, args=(self._process,), name="desk", daemon=True).start()

    def call(
        self,
        name: str,
        *,
        on_progress: OnProgress | None = None,
        on_item: OnItem | None = None,
        **args: Any,
    ) -> Call:
        """Ask for something; see the desk's `work` for the names."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        with self._lock:
            self._next += 1
            call = self._calls[self._next] = Call(self, self._next, on_progress, on_item)
        self.send({"id": call.key, "call": name, "args": args})
        return call

    def close(self) -> None:
        """Let it go: closing the pipe ends it."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        line = json.dumps(message).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError, ValueError):
            process.stdin.write(line)
            process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            call = self._calls.get(message["id"])
            if call and call.hear(message):
                self._calls.pop(call.key, None)
        code = process.wait()
        gone = Problem(
            "desk",
            f"the helping process ended (exit {code})",
            f"try again; its words are in {self.log}",
        )
        for key in list(self._calls):
            self._calls.pop(key).end(gone)
