"""What is done to the rows that a check found: left out, mended, or left as they are; one edit each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.data.checks.remedies import dropped, replacement
from engine.data.checks.table import CHECKS
from engine.data.rows import Message
from engine.data.shapes.tools import canonical
from engine.data.template import template_of
from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.checks.finding import Finding
    from engine.data.dataset import Dataset

FIXES: dict[str, tuple[str, tuple[str, ...]]] = {
    "drop": ("drop", ("blank_answer", "nothing_learned", "prompt_too_long", "lost_characters")),
    "dedupe": ("keep_one", ("exact_copies", "normalised_copies", "near_copies")),
    "mend": ("replace", ("mojibake", "control_characters", "special_tokens")),
    "mask": ("replace", ("secrets", "personal_data")),
}
"""What a shell may ask for by one word: the action, and the checks whose rows it is done to."""


def apply_remedy(dataset: Dataset, code: str, action: str) -> None:
    """Do `action` to all rows that the check `code` found. Raises Problem for what is not offered."""
    finding = next((found for found in dataset.findings if found.code == code), None)
    if finding is None:
        raise Problem("check", f'nothing was found by "{code}"', "choose one of the listed checks")
    offered = CHECKS[code].remedies
    if action not in offered:
        fix = f"choose one of {', '.join(offered)}"
        raise Problem("check", f'"{action}" is no remedy for {CHECKS[code].title}', fix)
    if action == "replace":
        _replace(dataset, finding)
    elif action in ("drop", "keep_one"):
        places = dropped(finding, action).tolist()
        dataset.edits.exclude(dataset.edited.keys(places), code, action)
    else:
        dataset.edits.choose(code, action)


def _replace(dataset: Dataset, finding: Finding) -> None:
    mended = replacement(finding.code, template_of(dataset.tokenizer).stops)
    changes = []
    for place in finding.rows.tolist():
        before = dataset.edited.rows[place].messages
        after = tuple(_with(mended, message) for message in before)
        if after != before:
            changes.append((dataset.edited.key(place), after))
    if not changes:
        what = f"none of the {len(finding.rows):,} rows could be mended"
        raise Problem("check", what, "look at them, and change or drop them by hand")
    dataset.edits.change_many(changes, finding.code)


def _with(mended: Callable[[str], str], message: Message) -> Message:
    """The message with every text of it mended: what is said, and what tools are called with."""
    calls = message.tool_calls
    if calls:
        tree = _strings(mended, message.calls)
        calls = calls if tree == message.calls else canonical(tree)
    return replace(message, content=mended(message.content), tool_calls=calls)


def _strings(mended: Callable[[str], str], tree: Any) -> Any:
    if isinstance(tree, str):
        return mended(tree)
    if isinstance(tree, list):
        return [_strings(mended, each) for each in tree]
    if isinstance(tree, dict):
        return {name: _strings(mended, each) for name, each in tree.items()}
    return tree
