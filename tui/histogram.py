"""Token lengths as a small bar chart in text, with marks at the percentiles and at the maximum."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from textual.content import Content

BARS = " ▁▂▃▄▅▆▇█"
EIGHTHS = 8
LINE = "│"
MOST_CELLS = 4
"""The widest a bar may be: a few bins must not fill a wide screen."""
LEAST_WIDTH = 24


def draw(summary: dict[str, Any], width: int, height: int = 2, alone: bool = False) -> Content:
    """Bars of `height` lines, then a line or more of marks; a word when there is no histogram.

    `alone` when the facts are not beside it.
    """
    given = summary.get("histogram") or {}
    edges, counts = list(given.get("edges") or ()), list(given.get("counts") or ())
    if not counts or len(edges) != len(counts) + 1 or width < LEAST_WIDTH:
        return Content.styled("no row was measured", "$quiet")
    cells = max(1, min(MOST_CELLS, (width - 2) // len(counts)))
    maximum = int(summary["max_length"])
    end = cells * len(counts)
    line = min(end, _column(maximum, edges, cells)) if maximum < edges[-1] else end + 1
    most = max(counts)
    head = Content.assemble(
        ("tokens ", "$quiet"), f"{edges[0]:,} to {edges[-1] - 1:,}",
        (f" · tallest bar {most:,} row{'' if most == 1 else 's'}", "$quiet"),
        ("   v shows the facts" if alone else "", "$quiet"),
    )  # fmt: skip
    bars = [_bars(counts, most, cells, level, height, line) for level in reversed(range(height))]
    marks = [(line, f"{LINE} at most {maximum:,}")]
    named: dict[int, list[str]] = {}
    for name in ("p50", "p95", "p99"):
        if name in summary["tokens"]:
            named.setdefault(int(summary["tokens"][name]), []).append(name)
    for value, names in named.items():
        column = _column(value, edges, cells)
        marks.append((column + (column >= line), f"╵{' '.join(names)} {value:,}"))
    return Content("\n").join([head, *bars, *_marks(marks, width)])


def _column(value: int, edges: Sequence[int], cells: int) -> int:
    """The column in which a length lies; the last one for what is longer than all bins."""
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        if value < high:
            share = (value - low) / (high - low) if high > low else 0.0
            return int(cells * (place + max(0.0, share)))
    return cells * (len(edges) - 1) - 1


def _bars(counts: Sequence[int], most: int, cells: int, level: int, lines: int, at: int) -> Content:
    """One line of the bars (level 0 is the lowest), with the maximum's line between the cells."""
    letters = ""
    for count in counts:
        high = max(int(count > 0), round(count * EIGHTHS * lines / max(1, most)))
        letters += BARS[min(EIGHTHS, max(0, high - EIGHTHS * level))] * cells
    letters = letters.ljust(at)
    return Content.assemble(
        (letters[:at], "$primary"), (LINE, "bold $warning"), (letters[at:], "$warning")
    )


def _marks(marks: Sequence[tuple[int, str]], width: int) -> list[Content]:
    """Each label under its column, on the first line where it has room."""
    lines: list[str] = []
    for column, label in sorted(marks):
        fits = column + len(label) <= width
        text, start = (label, column) if fits else (f"{label[1:].strip()}{label[0]}", 0)
        start = start if fits else max(0, column + 1 - len(text))
        free = (n for n, line in enumerate(lines) if len(line) < start + (start > 0))
        place = next(free, len(lines))
        if place == len(lines):
            lines.append("")
        lines[place] = lines[place].ljust(start) + text
    return [Content.styled(line, "$quiet") for line in lines]
