"""What the plain commands write with: JSON lines, one live line, a table, a picture."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, TextIO

from tui.chart import ROLES, Row, runs
from tui.figures import bar
from tui.state import Progress
from tui.theme import ChartColors, chart_colors, choose

SECONDS_BETWEEN = 0.25
MAX_WIDTH = 100
ERASE = "\r\x1b[K"


def json_line(tree: dict[str, Any]) -> None:
    """One object on a line of stdout, at once; numbers JSON does not have become null."""
    print(json.dumps(_plain(tree), ensure_ascii=False), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def say(text: str) -> None:
    """A message: to stderr, so that stdout holds results alone."""
    print(text, file=sys.stderr, flush=True)


def width() -> int:
    return max(40, min(MAX_WIDTH, shutil.get_terminal_size().columns))


def live(stream: TextIO) -> bool:
    """Whether a line on it can be written over."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class StatusLine:
    """One line that is written over, at most four times a second; nothing where it cannot be."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.on = live(stream)
        self._text = ""
        self._at = 0.0

    def show(self, text: str) -> None:
        if not self.on or text == self._text or monotonic() - self._at < SECONDS_BETWEEN:
            return
        self._text, self._at = text, monotonic()
        self.stream.write(f"{ERASE}{text[: shutil.get_terminal_size().columns - 1]}")
        self.stream.flush()

    def clear(self) -> None:
        if self._text:
            self.stream.write(ERASE)
            self.stream.flush()
            self._text, self._at = "", 0.0


class PhaseLine:
    """Progress of long work on a live line; where there is none, a line as each phase begins."""

    def __init__(self, stream: TextIO, quiet: bool = False) -> None:
        self.line = StatusLine(stream)
        self.quiet = quiet
        self._progress = Progress("")
        self._said = ""

    def take(self, phase: str, done: int, total: int) -> None:
        """Called from the desk's thread."""
        self._progress = Progress(phase, done, total)

    def show(self) -> None:
        """Called from the main thread, a few times a second."""
        now = self._progress
        if not now.phase or self.quiet:
            return
        if self.line.on:
            filled, rest = bar(now.done, now.total, 24)
            self.line.show(f"▕{filled}{rest}▏ {now.words}" if now.total else f"{now.words} …")
        elif now.phase != self._said:
            self._said = now.phase
            print(Progress(now.phase).words, file=self.line.stream, flush=True)


def wait(call: Any, show: Callable[[], None]) -> dict[str, Any]:
    """The result of a call to the desk, drawing meanwhile; an interrupt cancels the call."""
    try:
        while True:
            try:
                found: dict[str, Any] = call.result(timeout=SECONDS_BETWEEN)
                return found
            except TimeoutError:
                show()
    except KeyboardInterrupt:
        call.cancel()
        raise


# ---------------------------------------------------------------- pictures


def picture(rows: Iterable[Row], stream: TextIO) -> str:
    """A chart as text: in the theme's colours where there are some, in ASCII where it must be."""
    plain = ["".join(letter for letter, _ in row).rstrip() for row in rows]
    encoding = (stream.encoding or "ascii").lower()
    if not encoding.startswith("utf"):
        return "\n".join(_ascii(line) for line in plain)
    if not live(stream) or "NO_COLOR" in os.environ:
        return "\n".join(plain)
    return _coloured(rows)


def _coloured(rows: Iterable[Row]) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=MAX_WIDTH * 2)
    colours = {"standard": 16, "windows": 16}.get(console.color_system or "")
    looks = role_styles(chart_colors(choose(None, colours)[0]))
    lines = [Text.assemble(*((text, looks[role]) for text, role in runs(row))) for row in rows]
    with console.capture() as capture:
        for line in lines:
            line.rstrip()
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    return capture.get().rstrip("\n")


def role_styles(colors: ChartColors) -> dict[str, str]:
    """Each role as a style that Rich reads."""
    names = {role: getattr(colors, role) for role in ROLES if role}
    return {"": "", **{role: name.removeprefix("ansi_") for role, name in names.items()}}


def _ascii(line: str) -> str:
    table = {"○": "o", "●": "@", "◌": "o", "▲": "^", "·": ".", "─": "-", "│": "|"}
    return "".join(
        letter if letter.isascii() else table.get(letter, "*" if "⠀" <= letter <= "⣿" else "+")
        for letter in line
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]], right: frozenset[int]) -> list[str]:
    """Columns as wide as what they hold; those in `right` are aligned to the right."""
    sizes = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return [
        "  ".join(
            cell.rjust(size) if i in right else cell.ljust(size)
            for i, (cell, size) in enumerate(zip(row, sizes, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]


def fitting(text: str, stream: TextIO) -> str:
    """The text in letters that the stream can write."""
    return text if (stream.encoding or "").lower().startswith("utf") else _ascii(text)
