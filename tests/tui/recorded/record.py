"""Record what the real desk and a real run say about the sample data, for pictures and tests.

    python -m tests.tui.recorded.record RUN     a finished run on the sample data
    python -m tests.tui.recorded.record         only what it says about data with faults, and with unknown columns

Paths of this machine are taken out.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
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
    record_faulty()
    if len(sys.argv) > 1:
        record_run(listing.find(sys.argv[1]))


def record_faulty() -> None:
    """The tickets with faults of most kinds among them, and a table whose columns are not known by name."""
    lines = (paths.bundled("sample_data") / "tickets.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:120]]
    rows[4]["output"] += "\nkey: AKIA" + "Q3EGKZ7T5WJX2LHB"
    rows[6]["instruction"] += " My address is 4 rue de la LibertÃ©."
    rows[9] = {**rows[8], "instruction": rows[8]["instruction"] + " Thanks"}
    rows[12], rows[13] = dict(rows[11]), dict(rows[11])
    rows[20] = {**rows[19], "output": "area: billing\nurgency: low\nnext: ask again"}
    rows[30]["instruction"] += " Call me: +44 20 7946 0958, or write to jo.smith@firm-mail.co.uk"
    rows[40]["output"] = ""
    faulty = [json.dumps(row, ensure_ascii=False) for row in rows]
    faulty[17] = faulty[17][:-3]
    table = "ticket,reply\n" + "".join(
        f'"{row["instruction"]}","{row["output"].splitlines()[0]}"\n' for row in rows[50:70]
    )
    with tempfile.TemporaryDirectory() as folder, desk_at(folder) as desk:
        for name, text in (("tickets.jsonl", "\n".join(faulty) + "\n"), ("tickets.csv", table)):
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            config = settings.with_value(settings.Config(), "data.path", str(path)).to_dict()
            said = {"summary": desk.call("open_data", config=config).result()}
            if not said["summary"].get("mapping"):
                said["rows"] = desk.call("rows", start=0, count=ROWS).result()
                said["tokens"] = desk.call("tokens", index=0).result()
                said["record"] = desk.call("record", number=18).result()
            _write(
                f"{path.suffix[1:]}.json",
                json.dumps(said, ensure_ascii=False, indent=0),
                folder,
                "/home/me/data",
            )


@contextlib.contextmanager
def desk_at(folder: str) -> Iterator[Desk]:
    """A desk whose edits and sides are kept nowhere else."""
    home, cache = Path(folder) / "home", paths.cache() / "models"
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "models").symlink_to(cache)
    before = os.environ.get("FINETUI_HOME")
    os.environ["FINETUI_HOME"] = str(home)
    desk = Desk()
    try:
        desk.start()
        yield desk
    finally:
        desk.close()
        os.environ.pop("FINETUI_HOME")
        os.environ.update({"FINETUI_HOME": before} if before else {})


def record_run(run: Path) -> None:
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
    _write("desk.json", json.dumps(said, ensure_ascii=False, indent=0), str(run.parent))
    _write("events.jsonl", (run / directory.EVENTS).read_text(), str(run.parent))


def _write(name: str, text: str, folder: str, instead_of_it: str = HOME) -> None:
    for place, instead in (
        (folder, instead_of_it),
        (str(paths.bundled("sample_data")), "sample_data"),
        (str(paths.cache()), "/home/me/.cache/finetui"),
    ):
        text = text.replace(place, instead)
    (HERE / name).write_text(text, encoding="utf-8")


def read_desk(name: str = "desk.json") -> dict[str, Any]:
    """What the desk said."""
    return dict(json.loads((HERE / name).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
