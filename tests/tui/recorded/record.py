"""Record what the real desk and a real run say about the sample data, for pictures and tests.

    python -m tests.tui.recorded.record RUN

RUN is a finished run on the sample data. Paths of this machine are taken out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from engine import config as settings
from engine import paths
from engine.desk.client import Desk
from engine.runs import directory, listing

HERE = Path(__file__).parent
ROWS = 40
ANSWERS = 4
HOME = "/home/me/.local/share/finetui/runs"


def main() -> None:
    run = listing.find(sys.argv[1])
    config = settings.load(paths.sample_config()).to_dict()
    desk = Desk()
    desk.start()
    summary = desk.call("open_data", config=config).result()
    rows = desk.call("rows", start=0, count=ROWS).result()
    held_out = desk.call("held_out", run=str(run)).result()
    asked = held_out["prompts"][:ANSWERS]
    answers = desk.call(
        "answers", run=str(run), prompts=asked, sides=["base", "tuned"], max_tokens=48
    ).result()
    desk.close()
    said = {"summary": summary, "rows": rows, "held_out": held_out, "answers": answers}
    _write("desk.json", json.dumps(said, ensure_ascii=False, indent=0), run)
    _write("events.jsonl", (run / directory.EVENTS).read_text(), run)


def _write(name: str, text: str, run: Path) -> None:
    for place, instead in (
        (str(run.parent), HOME),
        (str(paths.bundled("sample_data")), "sample_data"),
        (str(paths.cache()), "/home/me/.cache/finetui"),
    ):
        text = text.replace(place, instead)
    (HERE / name).write_text(text, encoding="utf-8")


def read_desk() -> dict[str, Any]:
    """What the desk said."""
    return dict(json.loads((HERE / "desk.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
