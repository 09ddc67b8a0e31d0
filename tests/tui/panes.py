"""An app that holds one widget, in the house theme; what it shows as text."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widget import Widget

from tui import theme


class PaneApp(App[None]):
    """One pane, as large as the screen."""

    def __init__(self, widget: Widget, look: str = "dark") -> None:
        super().__init__()
        self.widget = widget
        self.animation_level = "none"
        for found in theme.read_all().by_name.values():
            self.register_theme(found.as_theme())
        self.theme = look

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"quiet": "#888888"}

    def compose(self) -> ComposeResult:
        yield self.widget


def shown(app: App[None]) -> str:
    """Everything on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())
