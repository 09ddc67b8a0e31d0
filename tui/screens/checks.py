"""What was found in the data: every check with its count; and one check with its remedies and rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engine.text import clean
from tui import facts, keys
from tui.widgets.hints import Hints

REMEDIES = {
    "drop": ("leave out", "these rows are not trained on, nor held out"),
    "keep_one": ("keep one", "one of each group stays, the others are left out"),
    "cut": ("cut", "the end of the row is cut away where it is too long"),
    "replace": ("replace", "what is wrong in the text is replaced; the rest stays"),
    "leave": ("leave", "nothing is changed; the rows stay as they are"),
}
"""Of each remedy: what it is called, and what it does."""
LEFT_PART = 30


@dataclass(frozen=True)
class Answer:
    """What was chosen: to go to a row or to a faulty record (its number), to show the rows of a check, a remedy,
    or to leave faulty records out."""

    kind: Literal["row", "record", "filter", "remedy", "drop"]
    code: str
    number: int = 0
    action: str = ""
    numbers: tuple[int, ...] = ()


class CheckList(OptionList, inherit_bindings=False):
    """Lines to choose from, with the keys of this place."""

    BINDINGS = keys.bindings("checks")


class ChecksScreen(Screen[Answer | None], inherit_bindings=False):
    """Every problem and check with its count; what the line under the cursor means stands below."""

    AUTO_FOCUS = "CheckList"

    def __init__(self, summary: dict[str, Any]) -> None:
        super().__init__(classes="page")
        self._summary = summary
        self._found = found(summary)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -whole") as box:
            box.border_title = Content("what was found in the data")
            yield Static(facts.overlaps(self._summary["overlap"], 1_000), markup=False)
            yield CheckList(*[Option(line(each)) for each in self._found], markup=False)
            yield Static(id="check-meaning", markup=False)
        hints = Hints()
        hints.put(keys.hints("checks"))
        yield hints

    def on_mount(self) -> None:
        self.query_one(CheckList).highlighted = 0

    @on(OptionList.OptionHighlighted)
    def _look(self, message: OptionList.OptionHighlighted) -> None:
        self.query_one("#check-meaning", Static).update(about(self._found[message.option_index]))

    @on(OptionList.OptionSelected)
    def _open(self, message: OptionList.OptionSelected) -> None:
        message.stop()

        def take(answer: Answer | None) -> None:
            if answer is not None:
                self.dismiss(answer)

        self.app.push_screen(CheckScreen(self._found[message.option_index]), take)


class CheckScreen(ModalScreen[Answer | None], inherit_bindings=False):
    """One check: its meaning, its remedies, and its rows."""

    AUTO_FOCUS = "CheckList"

    def __init__(self, check: dict[str, Any]) -> None:
        super().__init__(classes="dialog")
        self._check = check
        self._answers, self._lines = choices(check)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = Content(facts.title_of(self._check))
            yield Static(about(self._check), markup=False)
            yield CheckList(
                *[
                    Option(text, disabled=answer is None)
                    for answer, text in zip(self._answers, self._lines, strict=True)
                ],
                markup=False,
            )
            hints = Hints()
            hints.put(keys.hints("checks"))
            yield hints

    def on_mount(self) -> None:
        self.query_one(CheckList).action_first()

    @on(OptionList.OptionSelected)
    def _choose(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        self.dismiss(self._answers[message.option_index])


WITH_ROWS = ("answer_lost", "held_out_copy", "template")
"""Problems of rows that were read and can be looked at, though they are not used."""


def found(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Problems of records that could not be read, then the checks, the worst first."""
    problems = [
        {**each, "severity": "bad", "record": each["code"] not in WITH_ROWS}
        for each in summary["problems"]
    ]
    ranked = facts.by_severity(summary.get("checks") or [])
    return problems + [check for _, checks in ranked for check in checks]


def line(check: dict[str, Any]) -> Content:
    """`✗ bad      12 empty answers   leave out`: how bad, how many, what, and the chosen remedy."""
    glyph, word, style = facts.SEVERITIES[facts.severity_of(check)]
    chosen = str(check.get("chosen") or "")
    told = REMEDIES.get(chosen, (clean(chosen, 20, lines=False),))[0]
    return Content.assemble(
        (f"{glyph} {word:<8}", style),
        f"{check['count']:>7,}  ",
        (
            Content(facts.title_of(check))
            .truncate(LEFT_PART, ellipsis=True)
            .plain.ljust(LEFT_PART),
            "bold",
        ),
        (f"  ✓ {told}" if told else "", "$success"),
    )


def about(check: dict[str, Any]) -> Content:
    """What it means for training, where it begins, and what can be done."""
    parts = [Content(clean(check["meaning"], 600))]
    if check.get("first"):
        parts.append(Content.assemble(("first   ", "$quiet"), clean(check["first"], 600)))
    parts.append(Content.assemble(("remedy  ", "$quiet"), clean(check["remedy"], 600)))
    if check.get("record"):
        numbers = [str(number) for number in check.get("rows") or []]
        more = " …" if len(numbers) > 20 else ""
        rows = ", ".join(numbers[:20]) + more
        parts.append(Content.assemble(("rows    ", "$quiet"), clean(rows, 400)))
    return Content("\n").join(parts)


def choices(check: dict[str, Any]) -> tuple[list[Answer | None], list[Content]]:
    """What can be chosen for a check, and the lines that say it; None is a heading."""
    code = str(check["code"])
    answers: list[Answer | None] = []
    lines: list[Content] = []

    def add(answer: Answer | None, text: Content) -> None:
        answers.append(answer)
        lines.append(text)

    if check.get("record"):
        _add_records(check, add)
        return answers, lines
    offered = [str(action) for action in check.get("remedies") or []]
    if offered:
        add(None, Content.styled("what to do with these rows", "$quiet"))
    for action in offered:
        name, words = REMEDIES.get(action, (clean(action, 20, lines=False), ""))
        mark = "✓" if action == check.get("chosen") else " "
        text = Content.assemble((f"{mark} {name:<10}", "bold"), (f" {words}", ""))
        add(Answer("remedy", code, action=action), text)
    rows = list(check.get("rows") or [])
    more = f", the first {len(rows):,}" if len(rows) < int(check["count"]) else ""
    add(None, Content.styled(f"its rows{more}", "$quiet"))
    add(Answer("filter", code), Content.assemble(("  show only these rows", "bold")))
    for number in rows:
        add(Answer("row", code, number=int(number)), Content(f"  go to row {int(number):,}"))
    return answers, lines


def _add_records(check: dict[str, Any], add: Callable[[Answer | None, Content], None]) -> None:
    """The records of a problem, each to be opened and mended; or all of them left out."""
    code, numbers = str(check["code"]), [int(number) for number in check.get("rows") or []]
    if not numbers:
        add(None, Content.styled("open the data again to list the next of them", "$quiet"))
        return
    more = f", the first {len(numbers):,}" if len(numbers) < int(check["count"]) else ""
    add(None, Content.styled(f"open a record to mend it here{more}", "$quiet"))
    places = check.get("places") or [(0, 0, "")] * len(numbers)
    for number, (line, column, what) in zip(numbers, places, strict=True):
        where = f"line {line:,}, column {column:,}   " if line else ""
        text = Content.assemble(
            (f"  record {number:,}", "bold"),
            (f"   {where}", "$quiet"),
            clean(what, 200, lines=False),
        )
        add(Answer("record", code, number=number), text)
    add(None, Content.styled("or", "$quiet"))
    listed = "it" if len(numbers) == 1 else "these" if more else "them all"
    words = "it is no problem any more" if len(numbers) == 1 else "they are no problem any more"
    add(
        Answer("drop", code, numbers=tuple(numbers)),
        Content.assemble((f"  leave {listed} out on purpose", "bold"), f": {words}"),
    )
