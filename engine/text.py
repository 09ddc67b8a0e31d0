"""The one gate that foreign text passes before anything shows it.

Rows, answers, names, provider errors and log lines can hold bytes that drive a terminal.
`clean` makes them visible and inert; what is stored is never changed.
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 20_000
MAX_MARKS = 4

_VISIBLE: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20) if code not in (9, 10)}
_VISIBLE[0x7F] = "\u2421"
_NAMED = (
    *range(0x80, 0xA0),  # C1: 8-bit CSI, OSC, DCS
    0x00AD,  # soft hyphen
    0x061C,
    0x115F,
    0x1160,
    0x180E,
    0x200B,  # zero-width space; ZWNJ and ZWJ (200C, 200D) are kept: Persian, Indic, emoji
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),  # line separators, bidi embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, bidi isolates
    0x3164,
    0xFEFF,
    0xFFA0,
    *range(0xFFF9, 0xFFFC),
)
_VISIBLE.update({code: f"‹{code:02X}›" if code < 0x100 else f"‹U+{code:04X}›" for code in _NAMED})
_VISIBLE.update(dict.fromkeys(range(55296, 57344), "�"))
_VISIBLE.update({code: f"‹U+{code:X}›" for code in range(0xE0000, 0xE0080)})

_SUSPECT = re.compile("[" + "".join(re.escape(chr(code)) for code in _VISIBLE) + "]")
_NOT_LATIN = re.compile("[\u0300-\U0010ffff]")


def clean(text: object, limit: int = MAX_CHARACTERS, *, lines: bool = True) -> str:
    """Text that can be shown: no control sequence, no hidden character, at most `limit` long.

    With `lines=False` line ends become spaces and tabs too: for a cell or a title of one line.
    """
    whole = text if isinstance(text, str) else str(text)
    shown = whole[:limit].replace("\r\n", "\n")
    if _SUSPECT.search(shown):
        shown = shown.translate(_VISIBLE)
    if _NOT_LATIN.search(shown):
        shown = _cut_marks(shown)
    if not lines:
        shown = shown.replace("\n", " ").replace("\t", " ")
    if len(whole) > limit:
        shown += f" (+{len(whole) - limit:,} characters)"
    return shown


def _cut_marks(text: str) -> str:
    """Keep at most four combining marks on one letter: stacks of them paint over other lines."""
    kept: list[str] = []
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= MAX_MARKS:
            kept.append(letter)
    return "".join(kept)
