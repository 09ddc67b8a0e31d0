"""Every key, once: bindings, footer, help, palette and the README's table are made from here.

A key means one thing in one focus; those of `everywhere` mean the same in every pane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Focus = Literal[
    "everywhere", "data", "knobs", "loss", "compare", "field", "form", "checks", "record", "editor", "unsaved",
    "runs", "leave", "list", "sheet",
]  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One row of the table. `keys` as Textual names them, `shown` as a person reads them."""

    keys: str
    shown: str
    action: str
    hint: str
    words: str
    show: bool = False
    """Among the hints of its focus: on the pane's border or in the footer."""
    short: str = ""
    """How the hint shows it, where that differs: `↑↓` for both ways at once."""


TABLE: dict[Focus, tuple[Key, ...]] = {
    "everywhere": (
        Key("1,2,3,4", "1-4", "pane", "panes", "go to a pane", show=True),
        Key("tab", "tab", "next_pane", "next pane", "go to the next pane"),
        Key("shift+tab", "shift+tab", "previous_pane", "pane before", "go to the pane before"),
        Key("z", "z", "zoom", "zoom", "give the whole screen to this pane, and back", show=True),
        Key("t", "t", "train", "train", "start training with these knobs", show=True),
        Key("s", "s", "stop", "stop and save", "while training: stop and save what was learned"),
        Key("r", "r", "runs", "runs", "list every run, and open one", show=True),
        Key("question_mark,f1", "?", "help", "help", "what each key does (also F1)", show=True),
        Key("ctrl+p", "ctrl+p", "palette", "commands", "find a command or a theme by name", show=True),
        Key("escape", "esc", "cancel", "cancel", "drop what is being opened or prepared"),
        Key("q,ctrl+q", "q", "leave", "leave", "leave; a training goes on if you like (also ctrl+q)", show=True),
        Key("ctrl+c", "ctrl+c", "copy", "copy", "copy what is marked with the mouse"),
    ),
    "data": (
        Key("down,j", "↓ j", "move(1)", "rows", "the next row", show=True, short="↑↓"),
        Key("up,k", "↑ k", "move(-1)", "row", "the row before"),
        Key("pagedown", "pgdn", "page(1)", "read on", "further down in a long row, then the next row"),
        Key("pageup", "pgup", "page(-1)", "read back", "further up in a long row, then the row before"),
        Key("g,home", "g", "end('first')", "first", "the first row (also home)"),
        Key("G,end", "G", "end('last')", "last", "the last row (also end)"),
        Key("slash", "/", "find", "find", "go to a row number, or find words", show=True),
        Key("n", "n", "find_again(1)", "next found", "the next row with the words, or of the check"),
        Key("N", "N", "find_again(-1)", "found before", "the row before with the words, or of the check"),
        Key("f", "f", "filter", "filter", "show only rows that meet conditions", show=True),
        Key("h", "h", "side", "held out", "all rows, those to train on, the held-out ones"),
        Key("v", "v", "view", "view", "the facts, or how long the rows are"),
        Key("T", "T", "tokens", "tokens", "the row's tokens, and back to its text"),
        Key("p", "p", "problems", "checks", "what was found: remedies, records to mend", show=True),
        Key("e", "e", "edit", "edit", "change this row; your file stays as it is", show=True),
        Key("E", "E", "edit_outside", "edit outside", "change this row in $VISUAL or $EDITOR"),
        Key("a", "a", "add", "add", "write a new row"),
        Key("x", "x", "exclude", "leave out", "leave this row out, or take it in again"),
        Key("u", "u", "undo", "undo", "take the last change back"),
        Key("d", "d", "draft", "draft", "go on with the row or record that was half written"),
        Key("w", "w", "save_as", "save as", "write the rows as they are now to a new file"),
        Key("o", "o", "open", "open", "open other data"),
        Key("c", "c", "chosen", "chosen answers", "of compared answers learn the chosen ones"),
        Key("R", "R", "reopen", "open again", "open the same data again, after a change"),
        Key("escape", "esc", "all_rows", "all rows", "stop a search; then take the filter away"),
    ),
    "knobs": (
        Key("down,j", "↓ j", "move(1)", "knobs", "the next knob", show=True, short="↑↓"),
        Key("up,k", "↑ k", "move(-1)", "knob", "the knob before"),
        Key("g,home", "g", "end('first')", "first", "the first knob (also home)"),
        Key("G,end", "G", "end('last')", "last", "the last knob (also end)"),
        Key("enter", "enter", "edit", "edit", "change the value; open or close the fold", show=True),
        Key("right,l,space", "→ l", "choose(1)", "choose", "the next choice (also space)", show=True, short="←→"),
        Key("left,h", "← h", "choose(-1)", "choose", "the choice before"),
        Key("d", "d", "default", "default", "back to the default", show=True),
    ),
    "loss": (
        Key("y", "y", "log_axis", "log axis", "a logarithmic loss axis, and back", show=True),
        Key("m", "m", "smoothing", "smoothing", "how much the training loss is smoothed", show=True),
        Key("right,l", "→ l", "cursor(1)", "cursor", "read the values at a step: to the right", show=True, short="←→"),
        Key("left,h", "← h", "cursor(-1)", "cursor", "read the values at a step: to the left"),
        Key("escape", "esc", "cursor_off", "cursor off", "take the cursor away"),
    ),
    "compare": (
        Key("down,j,right,l,n", "↓ j", "move(1)", "row", "the next prompt (also → l n)", show=True, short="↑↓"),
        Key("up,k,left,h,b", "↑ k", "move(-1)", "row", "the prompt before (also ← h b)"),
        Key("g", "g", "ask", "ask both", "let the base and the tuned model answer", show=True),
        Key("G", "G", "ask_more", "ask 8", "the same for the next 8 rows at once", show=True),
        Key("p", "p", "prompt", "prompt", "type a prompt of your own", show=True),
        Key("pagedown", "pgdn", "read(1)", "read on", "further down in long answers"),
        Key("pageup", "pgup", "read(-1)", "read back", "further up in long answers"),
        Key("escape", "esc", "drop", "cancel", "drop the answers that are being written"),
    ),
    "field": (
        Key("enter", "enter", "submit", "accept", "take what was typed", show=True),
        Key("escape", "esc", "abandon", "cancel", "leave it as it was", show=True),
    ),
    "form": (
        Key("down,tab", "↓", "field(1)", "field", "the next field (also tab)", show=True, short="↑↓"),
        Key("up,shift+tab", "↑", "field(-1)", "field", "the field before (also shift+tab)"),
        Key("right,space", "→", "choose(1)", "choose", "the next choice (also space)", show=True, short="←→"),
        Key("left", "←", "choose(-1)", "choose", "the choice before"),
        Key("enter", "enter", "accept", "accept", "take the form as it is", show=True),
        Key("escape", "esc", "abandon", "cancel", "leave it as it was", show=True),
    ),
    "checks": (
        Key("down,j", "↓ j", "cursor_down", "lines", "the next line", show=True, short="↑↓"),
        Key("up,k", "↑ k", "cursor_up", "up", "the line before"),
        Key("g,home", "g", "first", "first", "the first line (also home)"),
        Key("G,end", "G", "last", "last", "the last line (also end)"),
        Key("enter", "enter", "select", "choose", "open it; take the remedy; go to the row or record", show=True),
        Key("escape", "esc", "app.back", "back", "close", show=True),
    ),
    "record": (
        Key("ctrl+s", "ctrl+s", "save", "save", "read the text again; it becomes a row when it can be read", show=True),
        Key("escape", "esc", "abandon", "cancel", "leave the record as it is; asks when it was changed", show=True),
        Key("ctrl+t", "ctrl+t", "leave_out", "leave out", "leave this record out on purpose", show=True),
        Key("ctrl+n", "ctrl+n", "as_row", "write a row", "write a row in its place, from turn to turn", show=True),
    ),
    "editor": (
        Key("ctrl+s", "ctrl+s", "save", "save", "save what you wrote", show=True),
        Key("escape", "esc", "abandon", "cancel", "leave; asks when something was changed", show=True),
        Key("tab", "tab", "turn(1)", "turn", "the next text: turns, calls, tools", show=True),
        Key("shift+tab", "shift+tab", "turn(-1)", "turn before", "the text before"),
        Key("ctrl+n", "ctrl+n", "add_turn", "new turn", "a new turn below this one", show=True),
        Key("ctrl+t", "ctrl+t", "remove_turn", "take out", "take this turn out", show=True),
        Key("ctrl+r", "ctrl+r", "role", "role", "another role for this turn", show=True),
        Key("f2", "f2", "calls", "calls", "the tool calls of this answer", show=True),
        Key("f3", "f3", "tools", "tools", "the tools that this row's answers can call", show=True),
    ),
    "unsaved": (
        Key("d", "d", "answer('drop')", "drop", "forget what you wrote", show=True),
        Key("k", "k", "answer('keep')", "keep a draft", "close; d in the data pane goes on with it", show=True),
        Key("escape", "esc", "answer('stay')", "go on", "go on writing", show=True),
    ),
    "runs": (
        Key("down,j", "↓ j", "cursor_down", "run", "the next run", show=True, short="↑↓"),
        Key("up,k", "↑ k", "cursor_up", "run", "the run before"),
        Key("g,home", "g", "first", "first", "the first run (also home)"),
        Key("G,end", "G", "last", "last", "the last run (also end)"),
        Key("enter", "enter", "select", "open", "open this run: its loss and its answers", show=True),
        Key("escape", "esc", "app.back", "back", "back to the workbench", show=True),
    ),
    "leave": (
        Key("d", "d", "answer('detach')", "detach", "leave; the training goes on", show=True),
        Key("s", "s", "answer('stop')", "stop and save", "stop the training, save, then leave", show=True),
        Key("k", "k", "answer('kill')", "kill", "end the training at once, then leave", show=True),
        Key("escape", "esc", "answer('stay')", "stay", "stay here", show=True),
    ),
    "list": (
        Key("down", "↓", "cursor_down", "down", "the next line", show=True, short="↑↓"),
        Key("up", "↑", "cursor_up", "up", "the line before"),
        Key("pagedown", "pgdn", "page_down", "page down", "a page down"),
        Key("pageup", "pgup", "page_up", "page up", "a page up"),
        Key("tab", "tab", "complete", "complete", "put the line into the field", show=True),
        Key("enter", "enter", "choose", "choose", "take this line", show=True),
        Key("escape", "esc", "back", "back", "close", show=True),
    ),
    "sheet": (
        Key("down,j", "↓ j", "scroll_down", "scroll", "a line down", show=True, short="↑↓"),
        Key("up,k", "↑ k", "scroll_up", "scroll", "a line up"),
        Key("pagedown", "pgdn", "page_down", "page", "a page down", show=True),
        Key("pageup", "pgup", "page_up", "page", "a page up"),
        Key("g,home", "g", "scroll_home", "top", "the top (also home)"),
        Key("G,end", "G", "scroll_end", "end", "the end (also end)"),
        Key("escape,question_mark,enter", "esc", "back", "close", "close", show=True),
    ),
}  # fmt: skip
NAMES: dict[Focus, str] = {
    "everywhere": "everywhere",
    "data": "1 data",
    "knobs": "2 knobs",
    "loss": "3 loss",
    "compare": "4 compare",
    "field": "typing a value",
    "form": "a form",
    "checks": "what was found in the data",
    "record": "mending a record",
    "editor": "changing a row",
    "unsaved": "leaving what was changed",
    "runs": "the list of runs",
    "leave": "leaving while training",
    "list": "commands and files",
    "sheet": "help and lists",
}

PANES: tuple[Focus, ...] = ("data", "knobs", "loss", "compare")


def bindings(focus: Focus) -> list[BindingType]:
    """The Textual bindings of one focus, for a widget's BINDINGS."""
    return [
        Binding(one, _action(key, one), key.hint, show=False, tooltip=key.words)
        for key in TABLE.get(focus, ())
        for one in key.keys.split(",")
    ]


def _action(key: Key, one: str) -> str:
    return f"pane({one})" if key.action == "pane" else key.action


def hints(focus: Focus) -> list[tuple[str, str]]:
    """What a person sees of a focus: (key, word), the most useful first."""
    return [(key.short or key.shown, key.hint) for key in TABLE.get(focus, ()) if key.show]


def rows() -> list[tuple[str, str, str]]:
    """The whole table for a help page or the README: (where, key, what it does)."""
    return [(NAMES[focus], key.shown, key.words) for focus, found in TABLE.items() for key in found]
