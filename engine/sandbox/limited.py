"""Run a named task on foreign bytes in a child process: it can neither hang, nor eat the machine's
memory, nor take its parent down. What goes wrong comes back as a Problem that names the file."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from engine.errors import Problem
from engine.paths import ROOT

STARTUP_SECONDS = 60.0
WAITING = 10
"""Times longer than its CPU time that a child may take: a busy machine is no fault of the file."""
MOST_REPLY_BYTES = 32 * 2**20
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ", "VIRTUAL_ENV")
DAMAGED = "check where the file is from, or get it again"


def run(
    task: str,
    arguments: dict[str, Any],
    *,
    seconds: float,
    memory_bytes: int,
    where: str,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Any:
    """The task's result, which is JSON. `seconds` of CPU time count from when the child is
    ready to begin; it may wait for its turn up to ten times as long.

    Raises Problem when the file is refused, when time or memory run out, or when reading it
    crashes; what `on_progress(phase, done, total)` raises ends the child and goes on up.
    """
    order = {"task": task, "arguments": arguments, "memory_bytes": memory_bytes, "seconds": seconds}
    with tempfile.TemporaryDirectory(prefix="finetui-") as folder, _child(folder) as child:
        try:
            return _converse(child, order, seconds, where, on_progress)
        except _TimeOut:
            raise Problem(where, f"reading it takes longer than {seconds:g} s", DAMAGED) from None
        except _Flood:
            raise Problem(where, "reading it answers without end", DAMAGED) from None
        finally:
            _end(child)


def _command() -> list[str]:
    return [sys.executable, "-P", "-m", "engine.sandbox.child"]


class _TimeOut(Exception):
    pass


class _Flood(Exception):
    pass


def _child(folder: str) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": folder,
        "HOME": folder,
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
    }
    return subprocess.Popen(
        _command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )


def _converse(
    child: subprocess.Popen[bytes],
    order: dict[str, Any],
    seconds: float,
    where: str,
    on_progress: Callable[[str, int, int], None] | None,
) -> Any:
    """Hand the order over, pass progress on, and return what the child answers."""
    assert child.stdin
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(order).encode("ascii"))
        child.stdin.close()
    clock = _Clock(time.monotonic() + STARTUP_SECONDS)
    for said in _replies(child, clock):
        if "ready" in said:
            clock.end = time.monotonic() + seconds * WAITING
        elif "progress" in said and on_progress:
            phase, done, total = said["progress"]
            on_progress(str(phase), int(done), int(total))
        elif "problem" in said:
            words = said["problem"]
            raise Problem(_placed(where, words["where"]), str(words["what"]), str(words["fix"]))
        elif "memory" in said:
            raise _out_of_memory(where, order["memory_bytes"])
        elif "result" in said:
            return said["result"]
    try:
        code = child.wait(timeout=max(1.0, clock.end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _TimeOut from None
    raise _ended(code, where, order)


class _Clock:
    """When the child must be done (monotonic seconds)."""

    def __init__(self, end: float) -> None:
        self.end = end


def _replies(child: subprocess.Popen[bytes], clock: _Clock) -> Iterator[dict[str, Any]]:
    """Each line the child writes, until it closes its pipe. Raises _TimeOut; the total is
    bounded."""
    assert child.stdout
    descriptor = child.stdout.fileno()
    waiting, total = b"", 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            left = clock.end - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise _TimeOut
            piece = os.read(descriptor, 65536)
            if not piece:
                return
            total += len(piece)
            if total > MOST_REPLY_BYTES:
                raise _Flood
            *lines, waiting = (waiting + piece).split(b"\n")
            yield from _parsed(lines)


def _parsed(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            tree = json.loads(line)
            if isinstance(tree, dict):
                yield tree


def _placed(where: str, inner: Any) -> str:
    """The file as the person named it, with the place inside it that the task named."""
    return f"{where}: {inner}" if inner else where


def _out_of_memory(where: str, memory_bytes: int) -> Problem:
    return Problem(
        where, f"reading it takes more than {memory_bytes / 2**30:.3g} GB of memory", DAMAGED
    )


def _ended(code: int, where: str, order: dict[str, Any]) -> Problem:
    """The child is gone without an answer."""
    if code == -signal.SIGXCPU:
        return Problem(where, f"reading it takes longer than {order['seconds']:g} s", DAMAGED)
    if code in (-signal.SIGKILL, -signal.SIGABRT):
        # the kernel's out-of-memory killer, or a C++ allocation that failed
        return _out_of_memory(where, order["memory_bytes"])
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return Problem(where, f"the file is damaged: reading it crashed ({name})", DAMAGED)
    return Problem(where, f"it could not be read (the reader ended with code {code})", DAMAGED)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Nothing of the child is left, whatever happened."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=10)
