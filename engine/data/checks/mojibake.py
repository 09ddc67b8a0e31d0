"""Letters broken by reading UTF-8 as Windows-1252 or Latin-1 (Ã© for é), found and mended.

A single broken letter counts only where real text has no such characters side by side; those that
can stand so in real text (É» at the end of a French quotation) must come in a run.
"""

from __future__ import annotations

import re

MOST_ROUNDS = 3  # text is sometimes broken twice

_BYTE = {chr(byte): byte for byte in range(0x80, 0x100)}
_BYTE |= {
    bytes([byte]).decode("cp1252"): byte
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


def _shown(first: int, last: int, but: str = "") -> str:
    """A character class of all that these bytes are shown as."""
    letters = [letter for letter, byte in _BYTE.items() if first <= byte <= last]
    return "[" + "".join(re.escape(each) for each in letters if each not in but) + "]"


_NEXT = _shown(0x80, 0xBF)
_CLOSING = "“”‘’‚„…–—»›"  # what a word that ends with Ã or Â may be followed by
_LETTER = (
    f"(?:{_shown(0xC2, 0xDF)}{_NEXT}"
    f"|{_shown(0xE0, 0xEF)}{_NEXT}{{2}}"
    f"|{_shown(0xF0, 0xF4)}{_NEXT}{{3}})"
)
_SURE = re.compile(
    "|".join(
        (
            f"Ã{_shown(0x80, 0xBF, but=_CLOSING)}",
            f"(?<![A-ZÀ-Þ“‘„‚«])Ã[{_CLOSING}](?=[\\sa-z0-9])",  # Ã–sterreich, 2 Ã— 3, not “MANHÔ
            f"Â{_shown(0x80, 0xBF, but=_CLOSING)}",
            f"â[€„†‡ˆ‰˜™œž\x80-\x9f]{_NEXT}|â‚¬",
            f"ð[Ÿ\x9f]{_NEXT}{{2}}|ï»¿",
            f"[\xc2-\xdf][\x80-\x9f]|[\xe0-\xef](?:[\x80-\x9f]{_NEXT}|{_NEXT}[\x80-\x9f])",
        )
    )
)
_ONE = re.compile(_LETTER)
_RUN = re.compile(f"{_LETTER}{{2,}}")
_FIRST = re.compile("[\xc2-\xf4]")


def broken(text: str) -> str:
    """The first run of broken letters in a text, as it stands there; empty where there is none."""
    if text.isascii() or not _FIRST.search(text):
        return ""
    for pattern in (_RUN, _SURE):
        for match in pattern.finditer(text):
            if _spelled(match[0]) != match[0]:
                return match[0]
    return ""


def mended(text: str) -> str:
    """The text with its broken letters put right, where it has any that are surely broken."""
    found = text
    for _ in range(MOST_ROUNDS):
        if not broken(found):
            break
        found = _ONE.sub(lambda letter: _spelled(letter[0]), found)
    return found


def _spelled(run: str) -> str:
    """What the bytes of a run spell as UTF-8; the run itself where they spell nothing."""
    try:
        return bytes(_BYTE[each] for each in run).decode("utf-8")
    except (UnicodeDecodeError, KeyError):
        return run
