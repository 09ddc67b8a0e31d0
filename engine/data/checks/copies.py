"""Rows that are copies of one another as a whole, and prompts that are answered in two ways."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.finding import KEPT_DETAILS, Finding, Severity
from engine.data.checks.near import Signatures, group, signatures
from engine.data.rows import Message, Row
from engine.data.split import normalise

BATCH = 2048
Numbers = NDArray[np.int64]
Hashes = Mapping[str, NDArray[np.uint64]]
COPY_HASHES = ("exact", "normal", "asked", "answer", "setting")
"""Of each row: whole; whole but for case and spaces; its prompt (0 where nothing is asked) and its answer, both
normalised; its system text and tools, under which it is asked."""
NOTHING_ASKED = 0


def copy_hashes(row: Row) -> tuple[int, ...]:
    """The row's numbers in the order of `COPY_HASHES`: equal texts, equal numbers."""
    plain = [[m.role, normalise(m.content), m.tool_calls] for m in row.messages]
    before = len(row.prompt)
    asked = any(m.role == "user" and m.content.strip() for m in row.messages[:before])
    kind = [row.tools, "raw" if row.raw else ""]
    whole = [
        [m.role, m.content, str(m.trained), m.tool_calls, m.name, m.tool_call_id]
        for m in row.messages
    ]
    return (
        _number(kind, *whole),
        _number(kind, *plain),
        _number([row.tools], *plain[:before]) if asked else NOTHING_ASKED,
        _number(*plain[before:]),
        _number([row.tools, normalise(row.system or "")]),
    )


def _number(*parts: list[str]) -> int:
    """Above 0 and below 2**64, the same for the same texts in the same places."""
    told = "".join(f"{len(text)}:{text}" for part in parts for text in part)
    digest = hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") | 1


def exact_copies(rows: Sequence[Row], exact: NDArray[np.uint64]) -> list[Finding]:
    """Rows that are the same to the letter, by their numbers."""
    return _found(_copies(rows, "exact_copies", "warning", np.arange(len(exact)), exact))


def copy_findings(
    rows: Sequence[Row],
    hashes: Hashes,
    groups: Numbers,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Finding]:
    """Each row is found at most as one kind of copy, next to the first of its kind; `groups`
    are the near copies of the rows' user texts."""
    exact, normal = hashes["exact"], hashes["normal"]
    one_each = _firsts(np.arange(len(exact)), exact)
    one_each_plain = _firsts(one_each, normal[one_each])
    near = _near(rows, one_each_plain, groups, hashes["setting"], on_progress)
    return [
        *exact_copies(rows, exact),
        *_found(_copies(rows, "normalised_copies", "warning", one_each, normal[one_each])),
        *_found(_copies(rows, "near_copies", "info", one_each_plain, near)),
        *_found(_two_answers(hashes["asked"], hashes["answer"])),
    ]


def _near(
    rows: Sequence[Row],
    at: Numbers,
    groups: Numbers,
    setting: NDArray[np.uint64],
    on_progress: Callable[[int, int], None],
) -> Numbers:
    """A label for each row of `at`: the same where prompts and answers are both near copies
    under one system text and with the same tools."""
    asked = _labels(groups[at], setting[at])
    several = np.flatnonzero(np.bincount(asked)[asked] > 1)
    parts = [signatures([])]
    for start in range(0, len(several), BATCH):
        on_progress(start, len(several))
        some = at[several[start : start + BATCH]].tolist()
        parts.append(signatures([answers_of(rows[place]) for place in some]))
    signed = Signatures(
        *(np.concatenate(each) for each in zip(*(vars(p).values() for p in parts), strict=True))
    )
    alike = group(
        signed,
        lambda place: answers_of(rows[int(at[several[place]])]),
        lambda done, total: on_progress(len(several), len(several)),
    )
    answers = -1 - np.arange(len(at))
    answers[several] = alike.labels
    return _labels(asked, answers)


def _two_answers(asked: NDArray[np.uint64], answer: NDArray[np.uint64]) -> Finding:
    """Rows of one prompt whose answers differ by more than case and spaces."""
    prompt = _labels(asked)
    order = np.lexsort((answer, prompt))
    new = (prompt[order][1:] == prompt[order][:-1]) & (answer[order][1:] != answer[order][:-1])
    answers = 1 + np.bincount(prompt[order][1:][new], minlength=int(prompt.max(initial=0)) + 1)
    rows = np.flatnonzero((answers[prompt] > 1) & (asked != NOTHING_ASKED)).astype(np.int64)
    detail = {
        at: f"its prompt has {int(answers[prompt[at]]):,} different answers"
        for at in rows[:KEPT_DETAILS].tolist()
    }
    return Finding("two_answers", rows, "warning", detail, prompt[rows])


def _copies(
    rows: Sequence[Row], code: str, severity: Severity, at: Numbers, keys: NDArray[np.integer]
) -> Finding:
    """The rows of `at` whose key others have too."""
    labels = _labels(keys)
    sizes = np.bincount(labels, minlength=1)
    several = np.flatnonzero(sizes[labels] > 1)
    found, groups = at[several], labels[several]
    _, first = np.unique(groups, return_index=True)
    numbered = dict(zip(groups[first].tolist(), found[first].tolist(), strict=True))

    def like(place: int, label: int) -> str:
        if place == numbered[label]:
            return f"the first of {int(sizes[label]):,}"
        return f"like row {rows[numbered[label]].number:,}"

    shown = zip(found[:KEPT_DETAILS].tolist(), groups.tolist(), strict=False)
    return Finding(code, found, severity, {at: like(at, label) for at, label in shown}, groups)


def _found(finding: Finding) -> list[Finding]:
    return [finding] if len(finding.rows) else []


def answers_of(row: Row) -> str:
    """All that the assistant says in a row."""
    return "\n".join(_written(m) for m in row.messages if m.role == "assistant")


def _written(message: Message) -> str:
    return f"{message.content}\n{message.tool_calls}" if message.tool_calls else message.content


def _labels(*keys: NDArray[np.integer]) -> Numbers:
    """0, 1, …: the same where all keys are."""
    label: Numbers = np.unique(keys[0], return_inverse=True)[1]
    for key in keys[1:]:
        back = np.unique(key, return_inverse=True)[1]
        label = np.unique(label * (int(back.max(initial=0)) + 1) + back, return_inverse=True)[1]
    return label


def _firsts(at: Numbers, keys: NDArray[np.integer]) -> Numbers:
    """Of the rows of `at`, the first of each key, in order."""
    _, first = np.unique(keys, return_index=True)
    one_each: Numbers = at[np.sort(first)]
    return one_each
