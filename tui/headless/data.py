"""`finetui data FILE`: what is in it, before anything is trained on it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from engine import config as knobs
from engine.config import Config
from engine.text import clean
from tui.headless import console
from tui.headless.desk import open_desk, with_file

MOST_PLACES = 3


def run(arguments: argparse.Namespace) -> int:
    config = with_file(Config(), "data.path", arguments.file)
    config = with_file(config, "model.name", arguments.model)
    config = knobs.with_settings(config, arguments.settings)
    phases = console.PhaseLine(sys.stderr, quiet=arguments.json)
    with open_desk() as desk:
        call = desk.call("open_data", on_progress=phases.take, config=config.to_dict())
        try:
            summary = console.wait(call, phases.show)
        finally:
            phases.line.clear()
    if arguments.json:
        console.json_line(summary)
    else:
        print("\n".join(report(summary)))
    return 0


def report(summary: dict[str, Any]) -> list[str]:
    """The summary in words: what it is, how it is cut, what is wrong."""
    lines = [
        clean(summary["path"], 300, lines=False),
        *_facts(summary),
        *(f"note      {clean(note, 300, lines=False)}" for note in summary["notes"]),
    ]
    return lines + _problems(summary["problems"])


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
        f"overlap   {overlap['exact']:,} exact, {overlap['normalised']:,} but for case and spaces",
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
        shown = ", ".join(f"{row:,}" for row in problem["rows"][:MOST_PLACES])
        more = " …" if problem["count"] > MOST_PLACES else ""
        meaning = clean(problem["meaning"], 200, lines=False)
        lines += [
            f"  {problem['count']:,} × {meaning} (row {shown}{more})",
            f"      {clean(problem['first'], 400, lines=False)}",
        ]
    return lines
