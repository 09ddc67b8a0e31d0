"""Strings that attack a terminal, a layout or a markup parser; one list for every test that needs it."""

from __future__ import annotations

import re

ESC = "\x1b"
OSC = (
    f"{ESC}]52;c;cm0gLXJm\x07", f"{ESC}]52;c;cm0gLXJm{ESC}\\", f"{ESC}]52;c;?\x07", f"{ESC}]0;owned\x07",
    f"{ESC}]8;;file:///etc/passwd{ESC}\\click{ESC}]8;;{ESC}\\", f"{ESC}]1337;File=inline=1:AAAA\x07",
    f"{ESC}]9;4;1;50\x07",
)  # fmt: skip
CSI = (
    f"{ESC}[2J{ESC}[H", f"{ESC}[?1049l", f"{ESC}[?25l", f"{ESC}[?1003h", f"{ESC}[6n", f"{ESC}[c", f"{ESC}[21t",
    f"{ESC}c", f"{ESC}[999999999C", f"{ESC}Ptmux;x{ESC}\\", f"{ESC}P$qm{ESC}\\", f"{ESC}_Ga=T;AAAA{ESC}\\",
)  # fmt: skip
EIGHT_BIT = ("\x9b2J", "\x9d0;owned\x9c", "\x90q\x9c")
CONTROL = ("\x00", "\x7f", "\x0e", "\x07" * 1000, "OK\rFAIL", "abc" + "\b" * 200)
UNICODE = (
    "\u202egnp.exe", "\u2066unclosed", "a\u200bb\ufeffc\u2060d\u00ade", "".join(chr(0xE0041 + n) for n in range(5)),
    "a" + "\u0301" * 200, "👨‍👩‍👧‍👦 🇩🇪 ❤️", "漢字" * 60, "\ufdfa" * 20, "\ud800",
)  # fmt: skip
SIZE = ("x" * 1_000_000, "\n" * 100_000, "\t" * 10_000)
MARKUP = (
    "[/]", "[/foo]", "[red", "[@click=app.exit]see docs[/]", "[link=javascript:alert(1)]x[/link] [red",
    "\\[", "[type=x, v={'a[0]'}]", "$name [$primary]x[/]", "[bold]x",
)  # fmt: skip
MARKDOWN = ("![x](http://example.com/x.png)", "<script>alert(1)</script>", "- " * 500 + "x")
ALL = (*OSC, *CSI, *EIGHT_BIT, *CONTROL, *UNICODE, *SIZE, *MARKUP, *MARKDOWN)
SHORT = tuple(text for text in ALL if len(text) < 2_000)
TOGETHER = " ".join(SHORT)
"""All the short ones in one string, for a place that is shown once."""

FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What may never be in a segment that is handed to the terminal."""
