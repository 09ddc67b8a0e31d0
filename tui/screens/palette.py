"""The palette: every command of the key table and every theme, by name."""

from __future__ import annotations

from tui import keys, theme
from tui.screens.picker import Choice, Picker

MOVES = ("move", "page", "end", "cursor")
UNLISTED = {"next_pane", "previous_pane", "palette", "cancel", "copy"}


class Palette(Picker[str]):
    """Gives back the action to run."""

    TITLE_TEXT = "commands"
    PLACEHOLDER = "type a part of a command or a theme"

    def __init__(self, focus: keys.Focus) -> None:
        super().__init__()
        self._all = commands(focus)

    def choices(self, typed: str) -> list[Choice[str]]:
        """Those that hold every word typed; beginnings of words before their middles."""
        wanted = typed.casefold().split()
        found = [c for c in self._all if all(word in _text(c) for word in wanted)]
        return sorted(found, key=lambda c: not all(f" {word}" in _text(c) for word in wanted))


def _text(choice: Choice[str]) -> str:
    return f" {choice.text} {choice.beside}".casefold()


def commands(focus: keys.Focus) -> list[Choice[str]]:
    """The commands of the pane in focus, the global ones, the themes; plain movements come last."""
    own = [key for key in keys.TABLE[focus] if focus in keys.PANES]
    here = [
        Choice(key.words, f"{keys.NAMES[focus]} · {key.shown}", f"focused.{key.action}")
        for key in own
    ]
    found = [
        choice for choice, key in zip(here, own, strict=True) if not key.action.startswith(MOVES)
    ]
    for key in keys.TABLE["everywhere"]:
        if key.action == "pane":
            names = [keys.NAMES[pane] for pane in keys.PANES]
            found += [
                Choice(f"go to {name[2:]}", name[0], f"app.pane({name[0]})") for name in names
            ]
        elif key.action not in UNLISTED:
            found.append(Choice(key.words, key.shown, f"app.{key.action}"))
    found += [Choice(f"theme: {name}", "colours", f"app.wear('{name}')") for name in theme.names()]
    return found + [choice for choice in here if choice not in found]
