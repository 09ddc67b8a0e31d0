"""What the README promises is what is there."""

from __future__ import annotations

import re
import tomllib

from docs.make import README, put_key_table
from engine import paths
from tui import cli

TEXT = README.read_text(encoding="utf-8")


def test_the_key_table_is_the_apps_own() -> None:
    assert put_key_table(TEXT) == TEXT, "run `python -m docs.make`"


def test_the_test_command_is_the_one_that_is_run_for_every_change() -> None:
    (command,) = re.findall(r"^python3 -m venv .*pytest$", TEXT, re.M)
    assert command in (paths.ROOT / ".ci" / "run").read_text().splitlines()


def test_every_room_in_the_map_is_there() -> None:
    table = TEXT.partition("## The rooms")[2].partition("## Tests")[0]
    rooms = re.findall(r"`([a-z_/]+)`", " ".join(re.findall(r"^\| (`[^|]*)\|", table, re.M)))
    assert {"engine/train", "tui", "themes", "sample_data", "tests"} <= set(rooms)
    for room in rooms:
        assert (paths.ROOT / room).is_dir(), room


def test_every_command_named_is_one() -> None:
    named = set(re.findall(r"^finetui ([a-z]+)", TEXT, re.M))
    assert named
    assert named == set(cli.COMMANDS)


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[ ]", d)[0].lower() for d in project["dependencies"]}
    assert {
        "textual",
        "plotext",
        "pydantic",
        "torch",
        "transformers",
        "datasets",
        "peft",
        "pip",
    } <= declared
