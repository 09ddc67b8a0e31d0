"""Strings that drive a terminal, break markup or stretch a layout, and what may never be shown of them."""

from __future__ import annotations

import unicodedata

ESC, BEL, ST = "\x1b", "\x07", "\x1b\\"
STRINGS = (
    f"{ESC}]52;c;aGVsbG8={BEL}copied",
    f"{ESC}]52;c;?{ST}",
    f"{ESC}]0;title{BEL}",
    f"{ESC}]8;;file:///etc/passwd{ST}link{ESC}]8;;{ST}",
    f"{ESC}[2J{ESC}[H{ESC}[?1049l{ESC}[?1003h{ESC}[6n{ESC}c",
    f"{ESC}P$q q{ST}{ESC}_Ga=T{ST}",
    "\x9b2J\x9d0;x\x9c\x90q",
    f"ends in the middle {ESC}",
    "NUL \x00 DEL \x7f SO \x0e" + BEL * 50,
    "OK\rFAIL" + "\b" * 40,
    "right to left \u202e\u2066 hidden \u200b\ufeff\u2060\u00ad tags \U000e0041",
    "marks Z" + "\u0301" * 200,
    "👩\u200d👩\u200d👧 漢字漢字 \ufdfa \ud800",
    "[/]",
    "[/foo]",
    "[red",
    "[@click=app.exit]see docs[/]",
    "[link=javascript:alert(1)]x[/link]",
    "[type=x, v={'a[0]'}] $name \\[",
    "x" * 100_000,
    "\n" * 10_000,
    "\t" * 10_000,
)
JOINERS = "\u200c\u200d\ufe0f"


def drives_a_terminal(text: str) -> list[str]:
    """The characters of a shown text that are no text: controls, hidden ones, lone surrogates."""
    bad = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [c for c in text if unicodedata.category(c) in bad and c not in JOINERS and c != "\n"]
