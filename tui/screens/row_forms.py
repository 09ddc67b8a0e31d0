"""The forms of the data pane: which rows to show, and where to write them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from textual.content import Content

from tui.facts import by_severity, check_titles
from tui.screens.form import FormScreen
from tui.widgets.form import Entry

SIDES = ((None, "all rows"), ("train", "rows to train on"), ("eval", "held-out rows"))
STATES = (
    ("", "any"),
    ("edited", "changed, mended or added by you"),
    ("excluded", "left out by you or a remedy"),
    ("set_aside", "set aside: copies on both sides"),
)
SHAPES = (
    ("messages", "messages: a list of turns"),
    ("alpaca", "alpaca: instruction, input, output"),
    ("sharegpt", "sharegpt: conversations"),
    ("prompt/completion", "prompt/completion: two texts"),
    ("text", "text: one text without turns"),
)


def filter_form(summary: dict[str, Any], where: dict[str, Any], side: str | None) -> FormScreen:
    """Gives back `{"where": conditions, "side": side}`."""
    titles = check_titles(summary)
    checks = [("", "any, or none")]
    for _, found in by_severity(summary.get("checks") or []):
        checks += [(c["code"], f"{titles[str(c['code'])]} ({c['count']:,})") for c in found]
    entries = [
        Entry("text", "words", where.get("text", ""), placeholder="in any case"),
        Entry("check", "check", where.get("check", ""), checks),
        Entry("state", "edits", where.get("state", ""), STATES),
        Entry("side", "side", side, SIDES),
        Entry("min_tokens", "tokens at least", _number(where.get("min_tokens")), placeholder="any"),
        Entry("max_tokens", "tokens at most", _number(where.get("max_tokens")), placeholder="any"),
    ]
    return FormScreen("show only these rows", entries, read_filter)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def read_filter(values: dict[str, Any]) -> dict[str, Any]:
    """The conditions that were filled in; a ValueError names what is no number."""
    where: dict[str, Any] = {}
    if text := str(values["text"]).strip():
        where["text"] = text
    for name in ("check", "state"):
        if values[name]:
            where[name] = values[name]
    for name in ("min_tokens", "max_tokens"):
        typed = str(values[name]).strip().replace(",", "")
        if typed and not (typed.isascii() and typed.isdigit()):
            raise ValueError("the number of tokens must be a whole number, such as 128")
        if typed:
            where[name] = int(typed[:9])
    if where.get("min_tokens", 0) > where.get("max_tokens", 10**9):
        raise ValueError("the least number of tokens is more than the most")
    return {"where": where, "side": values["side"]}


def save_form(summary: dict[str, Any]) -> FormScreen:
    """Gives back `{"path", "shape", "side"}`; a path that exists is not taken."""
    path = Path(str(summary["path"])).name.partition(".")[0] or "rows"
    own = str(summary["format"])
    shape = own if own in dict(SHAPES) else "messages"
    entries = [
        Entry("path", "new file", str(Path.cwd() / f"{path}-edited.jsonl")),
        Entry("shape", "shape", shape, SHAPES),
        Entry("side", "rows", None, SIDES),
    ]
    said = "The rows as they are now, without those left out. No file is written over."
    return FormScreen("save as", entries, read_save, Content.styled(said, "$quiet"))


def read_save(values: dict[str, Any]) -> dict[str, Any]:
    typed = str(values["path"]).strip()
    if not typed:
        raise ValueError("name a file to write")
    path = os.path.abspath(os.path.expanduser(typed))
    if "\0" in path or os.path.lexists(path):
        raise ValueError("there is such a file already: take another name")
    if not os.path.isdir(os.path.dirname(path)):
        raise ValueError("its folder is not there: make it first, or take another")
    return {**values, "path": path}
