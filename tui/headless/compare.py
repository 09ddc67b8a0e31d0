"""`finetui compare RUN`: what the base and the tuned model answer, and by rules how well."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import config as knobs
from engine.desk.client import Desk
from engine.errors import Problem
from engine.runs import directory, listing
from engine.text import clean
from tui.answers import SIDES, Answer, Asking, Prompt, Source, all_held_out, commonest_system
from tui.headless import console
from tui.headless.desk import open_desk
from tui.headless.prompts import read_prompts

if TYPE_CHECKING:
    from engine.judge.rules import Rules

BATCH = 32


def run(arguments: argparse.Namespace) -> int:
    path = listing.find(arguments.run)
    rules = _rules(arguments.rules)
    source = _source(path, arguments.max_tokens)
    tally: Counter[str] = Counter()
    phases = console.PhaseLine(sys.stderr, quiet=arguments.json)
    with open_desk() as desk:
        prompts = _prompts(desk, path, arguments.prompts)
        for start in range(0, len(prompts), BATCH):
            phases.take("answering", start, len(prompts))
            some = prompts[start : start + BATCH]
            for prompt, answers in zip(some, _ask(desk, source, some, phases), strict=True):
                phases.line.clear()
                checks = _check(rules, prompt, answers)
                _count(tally, prompt, checks)
                _show(prompt, answers, checks, len(prompts), arguments.json)
    phases.line.clear()
    _sum_up(tally, path, arguments.json)
    return 0


def _source(path: Path, max_tokens: int | None) -> Source:
    history = listing.load_history(path)
    if history.checkpoint is None and history.status not in ("done", "stopped"):
        raise Problem(
            path.name, f"has no weights yet ({history.status})", "wait until it has saved"
        )
    config = knobs.load(path / directory.CONFIG)
    if max_tokens is not None:
        config = knobs.with_value(config, "compare.max_tokens", max_tokens)
    return Source(config, path, trained=True)


def _rules(name: str | None) -> Rules | None:
    if name is None:
        return None
    from engine.judge import rules

    return rules.load(Path(name))


def _prompts(desk: Desk, path: Path, name: str | None) -> list[Prompt]:
    rows = all_held_out(desk, str(path))
    if name is not None:
        return read_prompts(Path(name), commonest_system(rows))
    if not rows:
        raise Problem(path.name, "held no rows out", "give prompts with --prompts FILE")
    return rows


def _ask(
    desk: Desk, source: Source, prompts: list[Prompt], phases: console.PhaseLine
) -> list[dict[str, Answer]]:
    asking = Asking(source, prompts, SIDES)
    asking.begin(desk)
    answers = asking.answers(console.wait(asking.call, phases.show))
    return [{side: answers[source.key(prompt, side)] for side in SIDES} for prompt in prompts]


Checks = dict[str, dict[str, bool]]


def _check(rules: Rules | None, prompt: Prompt, answers: dict[str, Answer]) -> Checks:
    if rules is None:
        return {}
    return {side: rules.check(answer.text, prompt.reference) for side, answer in answers.items()}


def _count(tally: Counter[str], prompt: Prompt, checks: Checks) -> None:
    tally["prompts"] += 1
    for side, found in checks.items():
        for name, passed in found.items():
            tally[f"{side} {name}"] += passed


def _show(
    prompt: Prompt, answers: dict[str, Answer], checks: Checks, total: int, as_json: bool
) -> None:
    if as_json:
        console.json_line(_as_json(prompt, answers, checks))
    else:
        print("\n".join([*_report(prompt, answers, checks, total), ""]), flush=True)


def _as_json(prompt: Prompt, answers: dict[str, Answer], checks: Checks) -> dict[str, Any]:
    sides = {
        side: {
            "text": answer.text,
            "tokens": answer.tokens,
            "seconds": round(answer.seconds, 3),
            "stopped": answer.ended,
        }
        for side, answer in answers.items()
    }
    return {
        "number": prompt.number,
        "system": prompt.system,
        "prompt": prompt.words,
        "reference": prompt.reference,
        **sides,
        **({"rules": checks} if checks else {}),
    }


def _report(prompt: Prompt, answers: dict[str, Answer], checks: Checks, total: int) -> list[str]:
    """A prompt and its answers side by side; one below the other where it is narrow."""
    from tui.headless.columns import side_by_side, wrapped

    width = console.width()
    head = f"[{prompt.number} of {total}] {clean(prompt.words, 4000)}"
    blocks = [
        f"{side}  {answers[side].form}{_passed(checks.get(side, {}))}\n{clean(answers[side].text)}"
        for side in SIDES
    ]
    lines = [*wrapped(head, width), *side_by_side(blocks[0], blocks[1], width)]
    if prompt.reference:
        lines += wrapped(f"wanted: {clean(prompt.reference, 4000)}", width)
    return lines


def _passed(found: dict[str, bool]) -> str:
    return "".join(
        f"  {'✓' if passed else '✗'} {clean(name, 30)}" for name, passed in found.items()
    )


def _sum_up(tally: Counter[str], path: Path, as_json: bool) -> None:
    count = tally.pop("prompts")
    if as_json:
        passed: dict[str, dict[str, int]] = {}
        for key, number in tally.items():
            side, _, name = key.partition(" ")
            passed.setdefault(side, {})[name] = number
        console.json_line({"summary": {"run": path.name, "prompts": count, "passed": passed}})
        return
    print(f"{count:,} prompts")
    for name in dict.fromkeys(key.partition(" ")[2] for key in tally):
        base, tuned = tally[f"base {name}"], tally[f"tuned {name}"]
        print(f"  {clean(name, 30):<12} base {base} of {count}   tuned {tuned} of {count}")
