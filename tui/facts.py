"""What the data pane says about the open data, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.content import Content

from engine.errors import Problem
from engine.text import clean
from tui.rows import Side
from tui.state import Progress

Summary = dict[str, Any]
SHARE_SURE = 0.9


def title(summary: Summary) -> str:
    """`alpaca · 300 rows`."""
    guessed = "" if summary["confidence"] >= SHARE_SURE else " (a guess)"
    return f"{summary['format']}{guessed} · {_count(summary['rows'], 'row')}"


def lines(summary: Summary, width: int) -> Content:
    """Split and overlap, token lengths, what is learned, and what is wrong: a line each."""
    found = [_split(summary), _tokens(summary), *_notes(summary), *_checks(summary)]
    return Content("\n").join([line.truncate(max(width, 20), ellipsis=True) for line in found])


def _split(summary: Summary) -> Content:
    overlap = summary["overlap"]
    exact, near = overlap["exact"], overlap["normalised"]
    found = (f"▲ overlap {near:,} ({exact:,} exact)", "bold $warning")
    said = found if exact or near else ("overlap 0", "$quiet")
    train, held_out = summary["train"], summary["eval"]
    return Content.assemble(
        (f"{train:,}" if train else "▲ 0", "bold" if train else "bold $warning"),
        " train   ",
        (f"{held_out:,}" if held_out else "▲ 0", "bold" if held_out else "bold $warning"),
        " held out   ",
        said,
    )


def _tokens(summary: Summary) -> Content:
    tokens = summary["tokens"]
    cut = (
        f" · ✗ {summary['truncated']:,} cut at {summary['max_length']:,}"
        if summary["truncated"]
        else ""
    )
    return Content.assemble(
        ("tokens ", "$quiet"),
        f"p50 {tokens['p50']:,} · p95 {tokens['p95']:,} · longest {tokens['max']:,}",
        (cut, "$warning"),
    )


def _notes(summary: Summary) -> list[Content]:
    learned, total = summary["label_tokens"], summary["train_tokens"]
    share = f" ({100 * learned / total:.0f}%)" if total else ""
    found = [Content.assemble(("learned ", "$quiet"), f"{learned:,} of {total:,} tokens{share}")]
    found += [
        Content.assemble(("note ", "$quiet"), clean(note, 200, lines=False))
        for note in summary["notes"][:2]
    ]
    return found


def _checks(summary: Summary) -> list[Content]:
    problems = summary["problems"]
    if not problems:
        return [Content.assemble(("checks ", "$quiet"), "✓ nothing found")]
    count = sum(problem["count"] for problem in problems)
    path = str(summary["path"])
    first = str(problems[0]["first"]).replace(path, Path(path).name, 1).partition(". Fix: ")[0]
    told = Content.assemble(
        ("checks ", "$quiet"),
        (f"▲ {_count(count, 'problem')}", "bold $warning"),
        ("   p lists them", "$quiet"),
    )
    return [told, Content.assemble(("first  ", "$quiet"), clean(first, 160, lines=False))]


def row_head(row: dict[str, Any], at: int, total: int, side: Side) -> Content:
    """`▸ 17 of 300 · train · line 17 · 94 tokens, 31 learned`."""
    among = {None: "", "train": " to train on", "eval": " held out"}[side]
    own = {"train": "train", "eval": "held out"}.get(row["side"], "left out")
    words = [f"{at + 1:,} of {total:,}{among}"]
    words += [own] if side is None else []
    if row["line"] != at + 1:
        words.append(f"line {row['line']:,}")
    words.append(f"{row['tokens']:,} tokens, {row['labels']:,} learned")
    cut = " · ✗ cut" if row["truncated"] else ""
    return Content.assemble(("▸ ", "bold $primary"), " · ".join(words), (cut, "bold $warning"))


def opening(progress: Progress, width: int) -> Content:
    """The work in hand, how far it is, and how to stop it."""
    parts: list[Any] = [progress.words]
    if progress.total:
        share = min(1.0, progress.done / progress.total)
        cells = max(4, min(40, width - 8))
        full = int(share * cells)
        parts += [
            "\n",
            ("█" * full, "$primary"),
            ("░" * (cells - full), "$quiet"),
            f" {100 * share:.0f}%",
        ]
    parts += ["\n", ("esc", "bold"), (" cancels", "$quiet")]
    return Content.assemble(*parts)


def cancelled() -> Content:
    return Content.assemble(
        "The opening was cancelled.\n",
        ("o", "bold"),
        (" opens a file   ", "$quiet"),
        ("R", "bold"),
        (" tries again", "$quiet"),
    )


def problem(found: Problem) -> Content:
    return Content.assemble(
        ("✗ ", "bold $error"), clean(str(found), 2_000), "\n\n",
        ("o", "bold"), (" opens another file   ", "$quiet"),
        ("R", "bold"), (" tries again", "$quiet"),
    )  # fmt: skip


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
