"""Rows that are copies of one another as a whole, and prompts that are answered in two ways."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.finding import KEPT_DETAILS, Finding, Severity
from engine.data.checks.near import Signatures
from engine.data.rows import Message, Row
from engine.data.split import normalise, prompt_of

BATCH = 2048
Numbers = NDArray[np.int64]


class Copies:
    """Keeps hashes of each row: whole, whole but for case and spaces, prompt, answer, system."""

    def __init__(self) -> None:
        self._exact, self._normal, self._prompt = array("q"), array("q"), array("q")
        self._answer, self._setting = array("q"), array("q")
        self._numbers = array("q")

    def look(self, at: int, row: Row) -> None:
        plain = [(m.role, normalise(m.content), m.tool_calls) for m in row.messages]
        before = len(row.prompt)
        asked = any(m.role == "user" and m.content.strip() for m in row.messages[:before])
        self._exact.append(hash((row.messages, row.tools, row.raw)))
        self._normal.append(hash((tuple(plain), row.tools, row.raw)))
        self._prompt.append(hash((tuple(plain[:before]), row.tools) if asked else ("", at)))
        self._answer.append(hash(tuple(plain[before:])))
        self._setting.append(hash((normalise(row.system or ""), row.tools)))
        self._numbers.append(row.number)

    def findings(
        self,
        rows: Sequence[Row],
        groups: Numbers,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Finding]:
        """Each row is found at most as one kind of copy, next to the first of its kind; `groups`
        are the near copies of the rows' user texts."""
        exact, normal = (np.array(each, np.int64) for each in (self._exact, self._normal))
        everything = np.arange(len(exact))
        one_each = _firsts(everything, exact)
        one_each_plain = _firsts(one_each, normal[one_each])
        near = self._near(rows, one_each_plain, groups, on_progress)
        found = [
            self._finding("exact_copies", "warning", everything, exact),
            self._finding("normalised_copies", "warning", one_each, normal[one_each]),
            self._finding("near_copies", "info", one_each_plain, near),
            self._two_answers(),
        ]
        return [finding for finding in found if len(finding.rows)]

    def _near(
        self,
        rows: Sequence[Row],
        at: Numbers,
        groups: Numbers,
        on_progress: Callable[[int, int], None],
    ) -> Numbers:
        """A label for each row of `at`: the same where prompts and answers are both near copies
        under one system text and with the same tools."""
        asked = _labels(groups[at], np.array(self._setting, np.int64)[at])
        several = np.flatnonzero(np.bincount(asked)[asked] > 1)
        found = Signatures()
        for start in range(0, len(several), BATCH):
            on_progress(start, len(several))
            part = at[several[start : start + BATCH]].tolist()
            found.add([answers_of(rows[position]) for position in part])
        alike = found.groups(
            lambda place: answers_of(rows[int(at[several[place]])]),
            lambda done, total: on_progress(len(several), len(several)),
        )
        answers = -1 - np.arange(len(at))
        answers[several] = alike
        return _labels(asked, answers)

    def _two_answers(self) -> Finding:
        """Rows of one prompt whose answers differ by more than case and spaces."""
        prompt = _labels(np.array(self._prompt, np.int64))
        answer = np.array(self._answer, np.int64)
        order = np.lexsort((answer, prompt))
        new = (prompt[order][1:] == prompt[order][:-1]) & (answer[order][1:] != answer[order][:-1])
        answers = 1 + np.bincount(prompt[order][1:][new], minlength=int(prompt.max(initial=0)) + 1)
        rows = np.flatnonzero(answers[prompt] > 1) if len(prompt) else np.zeros(0, np.int64)
        detail = {
            at: f"its prompt has {int(answers[prompt[at]]):,} different answers"
            for at in rows[:KEPT_DETAILS].tolist()
        }
        return Finding("two_answers", rows, "warning", detail, prompt[rows])

    def _finding(self, code: str, severity: Severity, at: Numbers, keys: Numbers) -> Finding:
        """The rows of `at` whose key others have too."""
        labels = _labels(keys)
        sizes = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
        several = np.flatnonzero(sizes[labels] > 1)
        rows, groups = at[several], labels[several]
        first = dict(zip(groups[::-1].tolist(), rows[::-1].tolist(), strict=True))
        detail = {
            position: self._like(position, first[group], int(sizes[group]))
            for position, group in zip(rows[:KEPT_DETAILS].tolist(), groups.tolist(), strict=False)
        }
        return Finding(code, rows, severity, detail, groups)

    def _like(self, at: int, first: int, size: int) -> str:
        if at == first:
            return f"the first of {size:,}"
        return f"like row {self._numbers[first]:,}"


def near_prompts(
    rows: Sequence[Row], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Numbers:
    """Groups of near copies among the rows' user texts, for the split and for `run_checks`."""
    found = Signatures()
    for start in range(0, len(rows), BATCH):
        on_progress(start, len(rows))
        stop = min(start + BATCH, len(rows))
        found.add([prompt_of(rows[at]) for at in range(start, stop)])
    groups = found.groups(
        lambda at: prompt_of(rows[at]), lambda done, total: on_progress(len(rows), len(rows))
    )
    on_progress(len(rows), len(rows))
    return groups


def answers_of(row: Row) -> str:
    """All that the assistant says in a row."""
    return "\n".join(_written(m) for m in row.messages if m.role == "assistant")


def _written(message: Message) -> str:
    return f"{message.content}\n{message.tool_calls}" if message.tool_calls else message.content


def _labels(*keys: Numbers) -> Numbers:
    """0, 1, …: the same where all keys are."""
    label = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        _, back = np.unique(key, return_inverse=True)
        _, label = np.unique(label * (int(back.max(initial=0)) + 1) + back, return_inverse=True)
    return label.astype(np.int64)


def _firsts(at: Numbers, keys: Numbers) -> Numbers:
    """Of the rows of `at`, the first of each key, in order."""
    _, first = np.unique(keys, return_index=True)
    return at[np.sort(first)]
