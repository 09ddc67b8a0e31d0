"""What a run will need, in words: one line, what does not fit, and by part where there is room."""

from __future__ import annotations

from textual.content import Content

from engine.text import clean
from engine.train.foresee import Foreseen
from tui.figures import GB, memory
from tui.state import duration

BY_PART = 70
"""Columns from which the parts are told too."""
SMALL = 0.05 * GB


def needs(found: Foreseen, width: int) -> Content:
    """`memory about 2.1 GB of 19.4 free · time about 3m40s`."""
    told, free = found.estimate, found.place.free
    line = Content.assemble(
        ("memory ", "$quiet"), ("about " + memory(told.peak), "bold"), f" of {free / GB:.1f} free",
        (" · time ", "$quiet"),
        ("about " + duration(told.seconds), "bold") if told.seconds else ("not known before the first run", "$quiet"),
    )  # fmt: skip
    if found.problem is not None:
        said = clean(str(found.problem), 300, lines=False)
        return Content.assemble(("✗ ", "bold $error"), (said, "$error"))
    if found.tight:
        fix = "Fix: lower runtime.token_budget, or leave it empty."
        said = f"runtime.token_budget: {told.token_budget:,} tokens at once do not fit. {fix}"
        return Content.assemble(line, ("\n▲ ", "bold $warning"), (said, "$warning"))
    if width < BY_PART:
        return line
    parts = [f"{name} {memory(size)}" for name, size in told.parts.items() if size >= SMALL]
    return Content.assemble(line, "\n", (" · ".join(parts), "$quiet"))
