"""What the workbench costs a terminal: first paint, key to paint, bytes a second, CPU. Run by hand.

    python -m tests.benchmarks.terminal [--seconds 20] [--size 120x40] [--real]

The app runs on a pty of its own with a desk and a run that answer from a script; four steps a
second come in while it trains. `--real` times the first paint of `finetui` itself instead, desk
and all. Times are wall times of this machine; the load is printed beside them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path

STEPS = 2000
STEPS_A_SECOND = 4.0
QUIET_SECONDS = 0.4
READY = b"finetui"
BUDGETS = {
    "first paint": "under 0.6 s",
    "key to paint, p95": "under 50 ms",
    "bytes a second, training": "at most 5,000",
    "bytes a second, idle": "0",
    "CPU, training": "at most 5% of a core",
}


@dataclass
class Screen:
    """The app at the other end of a pty."""

    pid: int
    terminal: int
    began: float

    def read(self, seconds: float) -> bytes:
        """All that comes within a time."""
        found, until = b"", time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            found += self._some(left)
        return found

    def read_until(self, wanted: bytes, seconds: float) -> tuple[float, bytes]:
        """Until some text has come: when, and all that came."""
        found, until = b"", time.monotonic() + seconds
        while wanted not in found and time.monotonic() < until:
            found += self._some(0.05)
        return time.monotonic() - self.began, found

    def settle(self) -> bytes:
        """Until nothing has come for a while."""
        found = b""
        while more := self._some(QUIET_SECONDS):
            found += more
        return found

    def answer_time(self, key: bytes) -> float:
        """From a key to the first byte of what it changes."""
        began = time.monotonic()
        os.write(self.terminal, key)
        self._some(2.0)
        return time.monotonic() - began

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def _some(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self.terminal], [], [], seconds)
        if not ready:
            return b""
        try:
            return os.read(self.terminal, 1 << 16)
        except OSError:
            return b""


def spawn(command: list[str], width: int, height: int) -> Screen:
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        home = tempfile.mkdtemp()
        environment = {
            **os.environ, "TERM": "xterm-256color", "COLUMNS": str(width), "LINES": str(height),
            "FINETUI_HOME": os.environ.get("FINETUI_HOME", home),
        }  # fmt: skip
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        os.execve(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    return Screen(pid, terminal, began)


# ---------------------------------------------------------------- the app under test


def serve(steps_a_second: float, training: bool) -> None:
    """In the child: the workbench on a run that is fed by a thread."""
    from engine.config import Config
    from tests.tui.fake_desk import FakeDesk, FakeFollower, FakeRuns, as_events, story
    from tui.app import Workbench

    events = as_events(story(steps=STEPS), since=time.time() - 100)
    first = next(i for i, event in enumerate(events) if event.body.kind == "step") + 200

    class FedRuns(FakeRuns):
        def follow(self, path: Path) -> FakeFollower:
            follower = FakeFollower(events[:first] if training else events)
            if training:
                threading.Thread(target=feed, args=(follower,), daemon=True).start()
            return follower

    def feed(follower: FakeFollower) -> None:
        for event in events[first:]:
            follower.queue.put(event)
            time.sleep(1 / steps_a_second)

    run = Path("/nowhere/runs/14-amber-lute")
    Workbench(FakeDesk(), Config(), run if training else None, None, FedRuns()).run()  # type: ignore[arg-type]


def measure(width: int, height: int, seconds: float) -> dict[str, float]:
    """Every figure, from one app idle and one app training."""
    base = [sys.executable, "-m", "tests.benchmarks.terminal", "--serve"]
    found: dict[str, float] = {}
    idle = spawn([*base, "idle"], width, height)
    found["first paint, s"], _ = idle.read_until(READY, 20)
    idle.settle()
    found["bytes a second, idle"] = len(idle.read(seconds / 2)) / (seconds / 2)
    idle.close()
    busy = spawn([*base, "training"], width, height)
    busy.read_until(READY, 20)
    busy.read(4.0)
    before = busy.cpu()
    found["bytes a second, training"] = len(busy.read(seconds)) / seconds
    found["CPU, training, %"] = 100 * (busy.cpu() - before) / seconds
    times = []
    for number in range(40):
        busy.read(0.13)
        times.append(busy.answer_time(b"j" if number % 2 else b"k"))
    found["key to paint, median, ms"] = 1000 * statistics.median(times)
    found["key to paint, p95, ms"] = 1000 * sorted(times)[int(0.95 * len(times))]
    busy.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--times", type=int, default=5, help="first paints to take")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--serve", choices=("idle", "training"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(STEPS_A_SECOND, given.serve == "training")
        return
    width, height = (int(part) for part in given.size.split("x"))
    print(f"{width}x{height}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    command = [sys.executable, "-m", "tests.benchmarks.terminal", "--serve", "idle"]
    if given.real:
        command = [sys.executable, "-m", "tui.cli"]
    paints = []
    for _ in range(given.times):
        screen = spawn(command, width, height)
        paints.append(screen.read_until(READY, 20)[0])
        screen.close()
    print(f"{'first paint, s, median':<28} {statistics.median(paints):8.2f}   {paints_of(paints)}")
    if not given.real:
        for name, value in measure(width, height, given.seconds).items():
            print(f"{name:<28} {value:8.2f}")
    print("budgets: " + ", ".join(f"{name} {limit}" for name, limit in BUDGETS.items()))


def paints_of(paints: list[float]) -> str:
    return "of " + ", ".join(f"{paint:.2f}" for paint in paints)


if __name__ == "__main__":
    main()
