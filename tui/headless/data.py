"""`finetui data FILE ...`: what is in it, before anything is trained on it; mended or converted into a new file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine import config as knobs
from engine.config import Config
from engine.errors import Problem
from engine.text import clean
from tui.headless import console
from tui.headless.desk import open_desk, with_file

MOST_PLACES = 3
EDITS = ("changed", "mended", "added", "excluded", "dropped")
MARKS = {"bad": "✗", "warning": "▲", "info": "·"}


def run(arguments: argparse.Namespace) -> int:
    config = with_file(Config(), "data.path", arguments.files)
    config = with_file(config, "model.name", arguments.model)
    config = knobs.with_settings(config, arguments.settings)
    call, given = _asked(arguments)
    phases = console.PhaseLine(sys.stderr, quiet=arguments.json)
    with open_desk() as desk:
        going = desk.call(call, on_progress=phases.take, config=config.to_dict(), **given)
        try:
            summary = console.wait(going, phases.show)
        finally:
            phases.line.clear()
    if summary.get("mapping"):
        raise _unmapped(summary["mapping"])
    if arguments.json:
        console.json_line(as_json(summary))
    else:
        print("\n".join(report(summary)))
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The desk's call and what it needs: to look only, or to write the rows anew."""
    fixes = [name.strip() for name in (arguments.fix or "").split(",") if name.strip()]
    if not arguments.out:
        if fixes or arguments.convert:
            raise Problem("--fix, --convert", "where to is not said", "add --out FILE, a new file")
        return "open_data", {}
    out = str(Path(arguments.out).expanduser().absolute())
    return "mend", {"fixes": fixes, "out": out, "shape": arguments.convert or ""}


def _unmapped(mapping: dict[str, Any]) -> Problem:
    """The shape is not known: which knobs would say what the columns are."""
    guess = mapping["guess"]
    prompt, answer = (
        guess.get("prompt") or "COLUMN",
        guess.get("answer") or "COLUMN",
    )
    columns = ", ".join(map(str, mapping["columns"][:12]))
    return Problem(
        str(mapping["path"]),
        f"the shape is not known (columns: {columns})",
        f"say what they hold: --set data.prompt_column={prompt} --set data.answer_column={answer}",
    )


def as_json(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary with all that was found in one list of `problems`, as scripts read it."""
    overlap = {
        "exact": summary["overlap"]["exact"],
        "normalized": summary["overlap"]["normalised"],
        "near": summary["overlap"]["near"],
    }
    return {
        **{
            name: value
            for name, value in summary.items()
            if name not in ("checks", "draft", "mapping")
        },
        "problems": [*summary["problems"], *summary["checks"]],
        "split": {**summary["split"], "overlap": overlap},
    }


def report(summary: dict[str, Any]) -> list[str]:
    """The summary in words: what it is, how it is cut, what is wrong."""
    lines = [
        clean(summary["path"], 300, lines=False),
        *_facts(summary),
        *(f"note      {clean(note, 300, lines=False)}" for note in summary["notes"]),
    ]
    if told := edits_told(summary["edits"]):
        lines.append(f"edits     {told}: kept beside the file, which stays as it is")
    saved = summary.get("saved")
    if saved:
        lines.append(
            f"saved     {saved['rows']:,} rows as {clean(saved['path'], 300, lines=False)}"
        )
    return lines + _problems(summary["problems"]) + _checks(summary["checks"])


def edits_told(edits: dict[str, Any]) -> str:
    """`1 changed, 2 excluded`; nothing where there are none."""
    return ", ".join(f"{edits[kind]:,} {kind}" for kind in EDITS if edits.get(kind))


def _facts(summary: dict[str, Any]) -> list[str]:
    tokens, split, overlap = summary["tokens"], summary["split"], summary["overlap"]
    sure = f"{summary['confidence']:.0%} sure"
    system, length = summary["system"], summary["max_length"]
    return [
        f"format    {summary['format']} ({sure}), read as {summary['container']}",
        f"rows      {summary['rows']:,} read, {summary['usable']:,} usable, "
        f"{summary['dropped']:,} left out, {summary['truncated']:,} cut at {length:,} tokens",
        f"split     {summary['train']:,} to train on, {summary['eval']:,} held out "
        f"({split['method']}, seed {split['seed']})",
        f"overlap   {overlap['exact']:,} exact, {overlap['normalised']:,} but for case and spaces, "
        f"{overlap['near']:,} near (from {overlap['threshold']:g} on; {overlap['method']})",
        f"tokens    half of the rows up to {tokens['p50']:,}, 95% up to {tokens['p95']:,}, "
        f"99% up to {tokens['p99']:,}, longest {tokens['max']:,}",
        f"learned   {summary['label_tokens']:,} of {summary['train_tokens']:,} training tokens",
        f"system    {clean(system, 200, lines=False) if system else 'none'}",
    ]


def _problems(problems: list[dict[str, Any]]) -> list[str]:
    if not problems:
        return ["problems  none"]
    lines = ["problems"]
    for problem in problems:
        lines += [
            f"  {problem['count']:,} × {clean(problem['meaning'], 200, lines=False)} ({_places(problem)})",
            f"      {clean(problem['first'], 400, lines=False)}",
        ]
    return lines


def _checks(checks: list[dict[str, Any]]) -> list[str]:
    if not checks:
        return ["checks    nothing found"]
    lines = ["checks"]
    for check in checks:
        mark = MARKS.get(check["severity"], "·")
        lines += [
            f"  {mark} {check['count']:,} × {clean(check['title'], 80, lines=False)} ({_places(check)})",
            f"      {clean(check['meaning'], 300, lines=False)}. Fix: {clean(check['remedy'], 300, lines=False)}.",
        ]
    return lines


def _places(found: dict[str, Any]) -> str:
    shown = ", ".join(f"{row:,}" for row in found["rows"][:MOST_PLACES])
    return f"row {shown}{' …' if found['count'] > MOST_PLACES else ''}"
