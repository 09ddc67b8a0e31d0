"""What the data pane says about the open data, in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from textual.content import Content

from engine.errors import Problem
from engine.text import clean
from tui.rows import Side
from tui.state import Progress

Summary = dict[str, Any]
SHARE_SURE = 0.9
SEVERITIES = {
    "bad": ("✗", "bad", "bold $error"),
    "warning": ("▲", "warning", "bold $warning"),
    "info": ("•", "note", "bold"),
}
"""Of each severity: its glyph, its word and its style, the worst first."""
STATES = {"edited": "edited", "excluded": "left out", "set_aside": "set aside"}


def title(summary: Summary) -> str:
    """`alpaca · 300 rows`."""
    guessed = "" if summary["confidence"] >= SHARE_SURE else " (a guess)"
    return f"{summary['format']}{guessed} · {counted(summary['rows'], 'row')}"


def lines(summary: Summary, width: int, more: bool = False) -> Content:
    """Split and overlap, lengths, what is learned, what was changed and what is wrong.

    With `more` it says which key shows how long the rows are.
    """
    width = max(width, 20)
    found = [
        *_split(summary, width),
        _tokens(summary, more),
        *_notes(summary),
        *_changes(summary),
        *_checks(summary, width),
    ]
    return Content("\n").join([line.truncate(width, ellipsis=True) for line in found])


def _split(summary: Summary, width: int) -> list[Content]:
    """Both sides and how they overlap: on one line where it is wide enough."""
    train, held_out = summary["train"], summary["eval"]
    sides = Content.assemble(
        (f"{train:,}" if train else "▲ 0", "bold" if train else "bold $warning"),
        " train   ",
        (f"{held_out:,}" if held_out else "▲ 0", "bold" if held_out else "bold $warning"),
        " held out",
    )
    aside = summary.get("set_aside")
    if aside:
        sides = Content.assemble(sides, ("   ▲ ", "bold $warning"), f"{aside:,} set aside")
    room = width - sides.cell_length - 3
    beside, below = (overlaps(summary["overlap"], place) for place in (room, width))
    method = clean(summary["overlap"].get("method", ""), 100, lines=False)
    if beside.cell_length > room or (method in below.plain and method not in beside.plain):
        return [sides, below]
    return [Content.assemble(sides, "   ", beside)]


def overlaps(overlap: dict[str, Any], width: int) -> Content:
    """`overlap 0 exact · 0 normalised · 0 near`; where there is room, how near copies were found."""
    kinds = [kind for kind in ("exact", "normalised", "near") if kind in overlap]
    words = "overlap " + " · ".join(f"{overlap[kind]:,} {kind}" for kind in kinds)
    if any(overlap[kind] for kind in kinds):
        said = Content.assemble((f"▲ {words}", "bold $warning"))
    else:
        said = Content.styled(words, "$quiet")
    if "near" not in overlap or "threshold" not in overlap:
        return said
    method = clean(overlap.get("method", ""), 100, lines=False)
    near = f"near: at least {overlap['threshold']:g} alike"
    for words in (f"{near}, {method}", near) if method else (near,):
        full = said + Content.styled(f" ({words})", "$quiet")
        if full.cell_length <= width:
            return full
    return said


def _tokens(summary: Summary, more: bool) -> Content:
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
        ("   v shows all" if more else "", "$quiet"),
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


def _changes(summary: Summary) -> list[Content]:
    """`edits 3 changed, 1 left out`, and a draft that waits."""
    found = []
    edits = summary.get("edits") or {}
    told = edited(edits)
    if told:
        undo = ("   u undoes", "$quiet") if edits.get("undo") else ""
        found.append(Content.assemble(("edits ", "$quiet"), told, undo))
    draft = summary.get("draft")
    if draft:
        words = _half_done(draft)
        found.append(
            Content.assemble(("draft ", "$quiet"), words, ("   d goes on with it", "$quiet"))
        )
    return found


def _half_done(draft: dict[str, Any]) -> str:
    if "record" in draft:
        return f"record {draft['record']:,} is half mended"
    index = draft.get("index")
    which = f"row {index + 1:,}" if isinstance(index, int) and index >= 0 else "a new row"
    return f"{which} is half written"


def edited(edits: dict[str, Any]) -> str:
    """`3 changed, 1 added, 1 left out`; empty when nothing was."""
    words = (
        ("changed", "changed"), ("mended", "mended"), ("added", "added"), ("excluded", "left out"),
        ("dropped", "faulty left out"),
    )  # fmt: skip
    return ", ".join(f"{edits[key]:,} {word}" for key, word in words if edits.get(key))


def _checks(summary: Summary, width: int) -> list[Content]:
    """What was found, the worst first and of each kind the commonest; then the first problem."""
    problems = summary["problems"]
    if not problems and not summary.get("checks"):
        return [Content.assemble(("checks ", "$quiet"), "✓ nothing found")]
    lines = [_fitting(summary, width)]
    if problems and problems[0]["first"]:
        path = str(summary["path"])
        first = str(problems[0]["first"]).replace(path, Path(path).name, 1).partition(". Fix: ")[0]
        lines.append(Content.assemble(("first  ", "$quiet"), clean(first, 160, lines=False)))
    return lines


def _fitting(summary: Summary, width: int) -> Content:
    """The checks on one line: all by name, or the worse ones and numbers for the rest."""
    told = [
        Content.assemble(("checks ", "$quiet"), Content(" · ").join(_found(summary, *most)), more)
        for most in ((3, 9), (3, 1), (2, 9), (2, 1), (1, 9), (1, 1), (0, 0))
        for more in (Content.styled("   p lists them", "$quiet"), Content(""))
    ]
    return next((line for line in told if line.cell_length <= width), told[-1])


def _found(summary: Summary, severities: int, titles: int) -> list[Content]:
    """A part for the problems and for each severity; so many name so many of their checks."""
    parts = []
    if problems := summary["problems"]:
        count = sum(problem["count"] for problem in problems)
        parts.append(Content.styled(f"▲ {counted(count, 'problem')}", "bold $warning"))
    for place, (severity, found) in enumerate(by_severity(summary.get("checks") or [])):
        glyph, word, style = SEVERITIES[severity]
        if place >= severities:
            rows = sum(each["count"] for each in found)
            words = f"{rows:,} bad" if severity == "bad" else counted(rows, word)
            parts.append(Content.styled(f"{glyph} {words}", style))
            continue
        named = [f"{each['count']:,} {title_of(each)}" for each in found[:titles]]
        named += [f"+{len(found) - len(named)}"] if len(named) < len(found) else []
        parts.append(Content.assemble((f"{glyph} {word}: ", style), ", ".join(named)))
    return parts


def by_severity(checks: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The checks of each severity, the worst severity first, the commonest check first."""
    ranked = sorted(checks, key=lambda check: -int(check["count"]))
    kinds = {severity: [c for c in ranked if severity_of(c) == severity] for severity in SEVERITIES}
    return [(severity, found) for severity, found in kinds.items() if found]


def severity_of(check: dict[str, Any]) -> str:
    severity = str(check.get("severity"))
    return severity if severity in SEVERITIES else "warning"


def check_titles(summary: Summary) -> dict[str, str]:
    """What each check is called, by its code."""
    return {str(check["code"]): title_of(check) for check in summary.get("checks") or []}


def title_of(check: dict[str, Any]) -> str:
    named = check.get("title") or re.sub(r"[_-]", " ", str(check["code"]))
    return clean(named, 40, lines=False)


def row_head(
    row: dict[str, Any], at: int, total: int, side: Side, titles: dict[str, str] | None = None
) -> Content:
    """`▸ 17 of 300 · train · line 17 · 94 tokens, 31 learned`."""
    among = {None: "", "train": " to train on", "eval": " held out"}[side]
    own = {"train": "train", "eval": "held out"}.get(
        row["side"], "set aside" if row.get("divided", True) else "not divided yet"
    )
    words = [f"{at + 1:,} of {total:,}{among}"]
    if row.get("excluded"):
        words.append("left out")
    elif side is None:
        words.append(own)
    if row["line"] != at + 1 and row["line"] > 0:
        words.append(f"line {row['line']:,}")
    if row["tokens"] is not None:
        words.append(f"{row['tokens']:,} tokens, {row['labels']:,} learned")
    if row.get("edited"):
        kind = "mended" if row.get("mended") else "changed" if row["line"] else "added"
        words.append(kind)
    cut = " · ✗ cut" if row["truncated"] else ""
    known = titles or {}
    found = [known.get(str(code), clean(code, 40, lines=False)) for code in row.get("checks") or []]
    return Content.assemble(
        ("▸ ", "bold $primary"),
        " · ".join(words),
        (cut, "bold $warning"),
        (f" · ▲ {', '.join(found)}" if found else "", "bold $warning"),
    )


def filtered(summary: Summary, where: dict[str, Any], side: Side, total: int | None = None) -> str:
    """What is shown: `12 of 300 · check: near copies · 8 to 64 tokens`."""
    words = []
    if total is not None:
        words.append(f"{total:,} of {summary['rows']:,}")
    if "text" in where:
        words.append(f"text: {clean(where['text'], 40, lines=False)}")
    if "check" in where:
        code = str(where["check"])
        words.append(f"check: {check_titles(summary).get(code, clean(code, 40, lines=False))}")
    if "state" in where:
        words.append(STATES.get(str(where["state"]), ""))
    low, high = where.get("min_tokens"), where.get("max_tokens")
    if low is not None and high is not None:
        words.append(f"{low:,} to {high:,} tokens")
    elif low is not None or high is not None:
        words.append(f"at least {low:,} tokens" if high is None else f"at most {high:,} tokens")
    if side:
        words.append({"train": "train", "eval": "held out"}[side])
    return " · ".join(words)


def opening(progress: Progress, width: int, part: Summary | None = None) -> Content:
    """The work in hand, how far it is, and how to stop it; `part` is what can be looked at already."""
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
    if part is not None:
        first = {"rows": "all ", "first rows": "the first "}.get(part["stage"], "")
        parts.append((f"   {first}{counted(part['rows'], 'row')} can be looked at", "$quiet"))
        found = [f"{check['count']:,} {check['title']}" for check in part["checks"]]
        if found:
            parts.append((f"\nso far {', '.join(found)}", "$quiet"))
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


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
