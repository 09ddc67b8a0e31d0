"""The child's side: take the limits on, do one task, answer in lines of JSON, end."""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import sys
from typing import Any

from engine.errors import Problem

MOST_FILE_BYTES = 10 * 2**30
TELL_GAP = 0.1


def main() -> None:
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not mix with the answer
    order = json.loads(sys.stdin.buffer.read())
    _limit(order["memory_bytes"])

    def say(tree: dict[str, Any]) -> None:
        out.write(json.dumps(tree) + "\n")
        out.flush()

    say(_answer(order, say))
    out.close()
    # destructors of native libraries have nothing to add and can still crash
    os._exit(0)


def _answer(order: dict[str, Any], say: Any) -> dict[str, Any]:
    from engine.sandbox.tasks import TASKS

    try:
        load, work = TASKS[order["task"]]
        load()
        _limit_time(order["seconds"])
        say({"ready": True})
        told = _Progress(say)
        return {"result": work(order["arguments"], told)}
    except Problem as problem:
        return {"problem": problem.to_json()}
    except MemoryError:
        return {"memory": True}
    except RecursionError:
        return {"problem": Problem("", "it is nested too deeply", "get the file again").to_json()}
    except Exception as error:
        words = f"{type(error).__name__}: {error}".split("\n")[0][:300]
        return {
            "problem": Problem("", f"it cannot be read ({words})", "get the file again").to_json()
        }


class _Progress:
    """Passes progress on, at most ten times a second."""

    def __init__(self, say: Any) -> None:
        self._say = say
        self._last = -math.inf

    def __call__(self, phase: str, done: int, total: int) -> None:
        import time

        now = time.monotonic()
        if now - self._last >= TELL_GAP or done == total:
            self._last = now
            self._say({"progress": [phase, done, total]})


def _limit(memory_bytes: int) -> None:
    """No core dumps (they would hold the person's data), bounded memory, files and processes."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_AS, memory_bytes)
    _set(resource.RLIMIT_FSIZE, MOST_FILE_BYTES)


def _limit_time(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # the first limit ends the child with SIGXCPU, which tells time from memory; the second would be SIGKILL
    _set(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds) + 1, spare=5)


def _set(limit: int, value: int, spare: int = 0) -> None:
    # macOS refuses some of these; the parent's clock still holds
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(limit, (value, value + spare))


if __name__ == "__main__":
    main()
