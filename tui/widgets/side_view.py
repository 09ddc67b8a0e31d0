"""One model's answer, under a line that says whose it is."""

from __future__ import annotations

from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.answers import Side


class SideView(Vertical):
    """Repaints only when what it shows has changed."""

    DEFAULT_CSS = """
    SideView { width: 1fr; height: 1fr; }
    SideView > .who { height: 1; color: $quiet; }
    SideView > VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self, side: Side) -> None:
        self.who = Static(classes="who", markup=False)
        self.text = Static(markup=False)
        self.scroll = VerticalScroll(self.text, can_focus=False)
        self._shown: tuple[str, str] = ("", "")
        super().__init__(self.who, self.scroll, id=side)

    def put(self, who: str, text: str, *, said: bool = False) -> None:
        """Show a text; `said` marks words of ours, which are no answer."""
        if (who, text) == self._shown:
            return
        self._shown = (who, text)
        self.who.update(Content.assemble((self.id or "", "bold $foreground"), f"  {who}"))
        self.text.update(Content.styled(text, "$quiet") if said else Content(text))
