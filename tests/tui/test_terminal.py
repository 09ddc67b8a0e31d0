"""The real driver on a real pseudo-terminal: what it is sent, and how the app leaves it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0

SCRIPT = """
import sys
from tests.tui import hostile
from tests.tui.fake_desk import FakeDesk, FakeRuns, row_view, story
from engine.config import Config
from tui.app import Workbench

texts = hostile.SHORT
rows = [{**row_view(n), "segments": [["prompt", t], ["answer", t]]} for n, t in enumerate(texts, 1)]
app = Workbench(FakeDesk(rows=rows), Config(), None, "dark", runs=FakeRuns(story(51, 31)))
if "crash" in sys.argv:
    def crash():
        secret = "sk-" + "live"
        raise RuntimeError("it broke")
    app.action_help = crash
app.run()
sys.exit(app.return_code or 0)
"""


class Terminal:
    """A child on a pseudo-terminal of 120x40, and all the bytes it has written."""

    def __init__(self, home: Path, *arguments: str, ignore_hangup: bool = False) -> None:
        self.main, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FINETUI_THEME")}
        environment = {
            **plain,
            "FINETUI_HOME": str(home),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }

        def begin() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if ignore_hangup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments], stdin=child, stdout=child, stderr=child,
            cwd=ROOT, env=environment, preexec_fn=begin,
        )  # fmt: skip
        os.close(child)
        self.bytes = b""

    def read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self.main], [], [], seconds)
        data = b""
        if ready:
            try:
                data = os.read(self.main, 1 << 16)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
        self.bytes += data
        return data

    def wait_for(self, text: bytes) -> None:
        until = time.monotonic() + PATIENCE
        while text not in self.bytes:
            assert time.monotonic() < until, self.bytes[-2000:]
            self.read(0.1)

    def settle(self, quiet: float = 1.0) -> None:
        """Read until so many seconds pass without a byte."""
        while self.read(quiet):
            pass

    def press(self, text: str) -> None:
        os.write(self.main, text.encode())

    def end(self, seconds: float = PATIENCE) -> int:
        """Read until the child is gone; its exit code."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, "it does not leave"
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.returncode


@contextlib.contextmanager
def terminal(home: Path, *arguments: str, **options: bool) -> Iterator[Terminal]:
    found = Terminal(home, *arguments, **options)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.process.wait()
        with contextlib.suppress(OSError):
            os.close(found.main)


KNOWN = re.compile(
    rb"\x1b\[[0-9;:]*m"  # colours and styles
    rb"|\x1b\[\d+;\d+H"  # places
    rb"|\x1b\[\?(?:25|1000|1002|1003|1004|1006|1015|1016|1049|2004|2026|2048|7)[hl]"  # modes it sets itself
    rb"|\x1b\[\?(?:2026|2048)\$p"  # what it asks the terminal
    rb"|\x1b\[>[0-9;]*[um]|\x1b\[<u|\x1b\[=[0-9;]*u|\x1b\[\?u"  # the keyboard protocol
    rb"|\x1b\]22;default\x07"  # the shape of the mouse pointer
)
CONTROLS = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")


def test_every_escape_is_one_of_the_apps_own(tmp_path: Path) -> None:
    from tests.tui.hostile import SHORT

    with terminal(tmp_path) as screen:
        screen.wait_for(b"270")
        screen.settle()
        for _ in SHORT:
            screen.press("j")
            screen.settle(0.2)
        screen.press("q")
        assert screen.end() == 0
        rest = KNOWN.sub(b"", screen.bytes)
        assert b"see docs" in rest  # the rows were shown
        assert CONTROLS.findall(rest) == []


def test_idle_is_silent(tmp_path: Path) -> None:
    with terminal(tmp_path) as screen:
        screen.wait_for(b"270")
        screen.settle()
        before = len(screen.bytes)
        screen.read(3.0)
        assert len(screen.bytes) == before


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_makes_it_leave(tmp_path: Path, sent: signal.Signals) -> None:
    with terminal(tmp_path) as screen:
        screen.wait_for(b"270")
        screen.process.send_signal(sent)
        assert screen.end(10) == 128 + sent
        if sent == signal.SIGTERM:
            assert b"\x1b[?1049l" in screen.bytes  # the terminal is given back


@pytest.mark.parametrize("ignore_hangup", [False, True])
def test_it_leaves_when_the_terminal_is_gone(tmp_path: Path, ignore_hangup: bool) -> None:
    with terminal(tmp_path, ignore_hangup=ignore_hangup) as screen:
        screen.wait_for(b"270")
        os.close(screen.main)
        assert screen.process.wait(200) != 0


def test_a_crash_is_five_lines_and_a_log_without_values(tmp_path: Path) -> None:
    with terminal(tmp_path, "crash") as screen:
        screen.wait_for(b"270")
        screen.settle()
        screen.press("?")
        assert screen.end() == 1
        said = screen.bytes.rpartition(b"\x1b[?1049l")[2]
        text = KNOWN.sub(b"", said).decode().strip().splitlines()
        assert len(text) <= 5
        assert "Traceback" not in " ".join(text)
        (log,) = (tmp_path / "logs").glob("app-*.log")
        assert str(log) in "".join(text).replace("\r", "")
        assert "it broke" in log.read_text()
        assert "sk-live" not in log.read_text() + screen.bytes.decode(errors="replace")


def test_the_app_never_imports_the_heavy_libraries(tmp_path: Path) -> None:
    check = """
import asyncio, sys
from tests.tui.opened import opened
from tests.tui.fake_desk import FakeRuns, story
async def use():
    async with opened((120, 40), runs=FakeRuns(story(51, 31))) as bench:
        await bench.press("2", "enter", "escape", "t", "3", "y", "4", "g", "r", "escape", "?", "escape", "o", "escape")
asyncio.run(use())
heavy = {"torch", "transformers", "datasets", "peft", "accelerate", "pyarrow"} & set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "FINETUI_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
