"""Give the focus at once."""

from __future__ import annotations

from textual.widget import Widget


def focus(widget: Widget) -> None:
    """Textual's own `focus` waits for its turn behind keys that were typed already; this does not."""
    widget.screen.set_focus(widget)
