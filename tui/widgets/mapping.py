"""Which column is the prompt and which the answer: three choices, and the first row as it would be read."""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.text import clean
from tui.widgets.form import Entry, Form

PARTS = (("system", "system"), ("prompt", "user"), ("answer", "assistant"))
"""Columns in the order of a conversation, with the role that each is read as."""
MOST_SHOWN = 2_000


class MappingForm(Vertical):
    """Enter takes the columns; the rows of the file stay as they are."""

    DEFAULT_CSS = """
    MappingForm { height: 1fr; }
    MappingForm Static { height: auto; }
    MappingForm #mapping-said { margin-bottom: 1; }
    MappingForm #mapping-scroll { height: 1fr; margin-top: 1; scrollbar-size-vertical: 1; }
    """

    class Chosen(Message):
        """The columns as knobs: `data.prompt_column` and its fellows."""

        def __init__(self, columns: dict[str, str | None]) -> None:
            super().__init__()
            self.columns = columns

    def __init__(self, summary: dict[str, Any]) -> None:
        super().__init__()
        self._mapping: dict[str, Any] = summary["mapping"]
        self._rows = int(summary.get("rows") or 0)

    def compose(self) -> ComposeResult:
        columns = [str(name) for name in self._mapping["columns"]]
        guess = self._mapping.get("guess") or {}
        named = [(name, name) for name in columns]
        none = [(None, "none")]
        yield Static(self._said(len(columns)), id="mapping-said", markup=False)
        yield Form(
            [
                Entry("prompt", "prompt", guess.get("prompt"), none + named),
                Entry("answer", "answer", guess.get("answer"), none + named),
                Entry("system", "system prompt", guess.get("system"), none + named),
            ]
        )
        with VerticalScroll(id="mapping-scroll", can_focus=False):
            yield Static(id="mapping-preview", markup=False)

    def _said(self, columns: int) -> Content:
        rows = f"{self._rows:,} rows, " if self._rows else ""
        return Content.assemble(
            f"{rows}{columns:,} columns, and none has a name that is known.\n",
            ("←→", "bold"), (" chooses, ", "$quiet"), ("↑↓", "bold"), (" goes on, ", "$quiet"),
            ("enter", "bold"), (" reads the data so. Your file stays as it is.", "$quiet"),
        )  # fmt: skip

    def on_mount(self) -> None:
        self._preview(self.query_one(Form).values)

    def begin(self) -> None:
        """Give the focus to the first choice."""
        self.query_one(Form).begin()

    def read_on(self, pages: int) -> None:
        """Scroll the first row by a page."""
        shown = self.query_one("#mapping-scroll")
        shown.scroll_relative(y=pages * max(1, shown.size.height - 1), animate=False)

    @on(Form.Changed)
    def _show(self, message: Form.Changed) -> None:
        message.stop()
        self._preview(message.values)

    def _preview(self, values: dict[str, Any]) -> None:
        self.query_one("#mapping-preview", Static).update(preview(self._mapping, values))

    @on(Form.Accepted)
    def _accept(self, message: Form.Accepted) -> None:
        message.stop()
        values = message.values
        chosen = [values[name] for name, _ in PARTS if values[name] is not None]
        if values["answer"] is None:
            message.form.refuse(
                "choose the column that holds the answers: they are what is learned"
            )
        elif values["prompt"] is None:
            message.form.refuse("choose the column that holds the prompts")
        elif len(set(chosen)) < len(chosen):
            message.form.refuse("one column is chosen twice")
        else:
            self.post_message(
                self.Chosen({f"data.{name}_column": values[name] for name, _ in PARTS})
            )

    @on(Form.Abandoned)
    def _abandon(self, message: Form.Abandoned) -> None:
        """There is nothing to go back to: other data is opened by its own key."""
        message.stop()


def preview(mapping: dict[str, Any], values: dict[str, Any]) -> Content:
    """The first row as it would be read with these columns."""
    rows = mapping.get("rows") or []
    if not rows:
        return Content.styled("there is no row to show", "$quiet")
    said = "the first row would be read as" if any(values.values()) else "the first row holds"
    parts = [Content.styled(said, "$quiet")]
    for name, role in PARTS:
        column = values.get(name)
        if column is None:
            continue
        text = clean(rows[0].get(column, ""), MOST_SHOWN)
        learned = role == "assistant"
        mark, look = ("▌ ", "bold $success") if learned else ("  ", "$foreground")
        parts.append(Content.assemble("  ", (role, "$quiet")))
        parts += [
            Content.assemble((mark, look), (line, look)) for line in (text or "(empty)").split("\n")
        ]
    left = [name for name in mapping["columns"] if name not in values.values()]
    if left and len(left) < len(mapping["columns"]):
        parts.append(Content.styled("and without", "$quiet"))
    parts += [_unread(name, rows[0].get(name, "")) for name in left]
    return Content("\n").join(parts)


def _unread(name: object, text: object) -> Content:
    """A column that is not chosen, on one line."""
    shown = clean(name, 24, lines=False)
    return Content.assemble("  ", (shown, "bold"), ("  " + clean(text, 200, lines=False), "$quiet"))
