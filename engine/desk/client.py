"""An app's end of the desk: start it, ask, hear progress, cancel."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
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
        self,
        connection: _Connection,
        key: int,
        on_progress: OnProgress | None,
        on_item: OnItem | None,
    ) -> None:
        self._connection, self.key = connection, key
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
        self._connection.send({"cancel": self.key})

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


class _Connection:
    """One desk process and the calls it was given; when it ends, they end, and no others."""

    def __init__(self, log: Path) -> None:
        paths.make_private(log.parent)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        environment = launch.environment()
        if "HF_HUB_OFFLINE" not in os.environ:
            # a trainer needs no hub; the desk fetches models from it
            del environment["HF_HUB_OFFLINE"]
        environment["TOKENIZERS_PARALLELISM"] = "true"  # it never forks, and tokenizing is its work
        try:
            self.process = subprocess.Popen(
                DESK, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=descriptor,
                cwd=os.getcwd(), env=environment, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(descriptor)
        self._log = log
        self._calls: dict[int, Call] = {}
        self._over = False
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name="desk", daemon=True).start()

    @property
    def over(self) -> bool:
        return self._over or self.process.poll() is not None

    def take(self, call: Call, message: dict[str, Any]) -> None:
        """Send a question; it ends at once when the process has ended meanwhile."""
        with self._lock:
            if not self._over:
                self._calls[call.key] = call
        if self._over:
            call.end(self._gone())
        self.send(message)

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        line = json.dumps(message).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def close(self) -> None:
        """Closing the pipe ends it; where it does not, it is killed."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            call = self._calls.get(message["id"])
            if call and call.hear(message):
                self._calls.pop(call.key, None)
        self.process.wait()
        with self._lock:
            self._over = True
        for call in list(self._calls.values()):
            call.end(self._gone())

    def _gone(self) -> Problem:
        return Problem(
            "desk",
            f"the helping process ended (exit {self.process.returncode})",
            f"try again; its words are in {self._log}",
        )


class Desk:
    """Starts the desk's process and talks to it; it ends when this side closes or dies. Any thread may ask."""

    def __init__(self) -> None:
        self._connection: _Connection | None = None
        self._keys = itertools.count(1)
        self._lock = threading.Lock()
        self.log = paths.logs() / "desk.log"

    def start(self) -> None:
        """Start it unless it runs; returns at once, while it imports."""
        self._connect()

    def call(
        self,
        name: str,
        *,
        on_progress: OnProgress | None = None,
        on_item: OnItem | None = None,
        **args: Any,
    ) -> Call:
        """Ask for something; see the desk's `work` for the names. A desk that died is started afresh."""
        connection = self._connect()
        call = Call(connection, next(self._keys), on_progress, on_item)
        connection.take(call, {"id": call.key, "call": name, "args": args})
        return call

    def close(self) -> None:
        """Let it go."""
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> _Connection:
        with self._lock:
            if self._connection is None or self._connection.over:
                self._connection = _Connection(self.log)
            return self._connection
