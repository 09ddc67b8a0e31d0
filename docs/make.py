"""Make what the README shows of the app from the app itself.

    python -m docs.make

The key table comes from `tui/keys.py`; the picture is the real workbench on the recorded words of the real desk
and of a real run (`tests/tui/recorded`).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any, cast

from engine import config as settings
from engine.config import Config
from tui import keys

README = Path(__file__).parent.parent / "README.md"
PICTURE = Path(__file__).parent / "workbench.svg"
SIZE = (124, 40)


def key_table() -> str:
    """The keys of the panes and of everywhere, as a Markdown table."""
    lines = ["| where | key | what it does |", "| --- | --- | --- |"]
    last = ""
    for where, key, words in keys.rows():
        lines.append(f"| {where if where != last else ''} | `{key}` | {words} |")
        last = where
    return "\n".join(lines)


def put_key_table(text: str) -> str:
    """The README's text with its key table made anew."""
    before, mark, rest = text.partition("## Keys\n\n")
    _, next_mark, after = rest.partition("\n\n## Without the workbench")
    return f"{before}{mark}{key_table()}{next_mark}{after}"


async def take_picture() -> str:
    """An SVG of the workbench after a run, with its answers."""
    from tests.tui.opened import Bench
    from tests.tui.recorded.replay import RUN, ReplayDesk, ReplayRuns, story_until
    from tui.app import Workbench

    desk, runs = ReplayDesk(), ReplayRuns(story_until())
    config = settings.with_text(Config(), "data.path", "sample_data/tickets.jsonl")
    app = Workbench(cast(Any, desk), config, theme="dark", runs=cast(Any, runs))
    async with app.run_test(size=SIZE) as pilot:
        bench = Bench(app, pilot, desk, runs)
        await bench.settle()
        app.training.attach(RUN)
        await bench.settle()
        await bench.press("4", "g")
        await bench.settle()
        return app.export_screenshot(title="finetui")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["FINETUI_HOME"] = home
        PICTURE.write_text(asyncio.run(take_picture()), encoding="utf-8")
    README.write_text(put_key_table(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
