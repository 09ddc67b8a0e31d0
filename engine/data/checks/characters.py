"""Characters that do harm inside a text: broken, lost, invisible, or the model's own marks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.data.checks.finding import short
from engine.data.checks.mojibake import broken, mended
from engine.text import clean

LOST = "\ufffd"
CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff"
    "\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
KNOWN_MARKS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>",
    "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>",
    "<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<|user|>", "<|assistant|>",
    "<|system|>",
)  # fmt: skip
"""Marks of common chat templates: text that holds them was rendered once already."""
SHORTEST_MARK = 3
MOST_ROUNDS = 100


def bad_characters(text: str) -> Iterator[tuple[str, str]]:
    """What a text holds that should not be there: a check's code, and where."""
    if not text.isascii():
        run = broken(text)
        if run:
            yield "mojibake", f"“{short(run)}” is probably “{short(mended(run))}”"
        if LOST in text:
            place = _around(text, text.index(LOST))
            yield "lost_characters", f"“{place}”, {text.count(LOST)} in all"
    control = None if _plain(text) else CONTROL.search(text)
    if control:
        count = len(CONTROL.findall(text))
        place = _around(text, control.start())
        yield "control_characters", f"{_named(control[0])} at “{place}”, {count} in all"


class Marks:
    """The control tokens of the model, and those of other templates, as texts."""

    def __init__(self, special_tokens: Sequence[str] = ()) -> None:
        texts = {
            t
            for t in (*special_tokens, *KNOWN_MARKS)
            if len(t) >= SHORTEST_MARK and not t.isalnum()
        }
        longest_first = sorted(texts, key=lambda text: (-len(text), text))
        self._starts = sorted({text[:2] for text in texts})
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def first(self, text: str) -> str:
        """The first mark in a text; empty where it has none."""
        if not [start for start in self._starts if start in text]:
            return ""
        found = self._pattern.search(text)
        return found[0] if found else ""

    def removed(self, text: str) -> str:
        """The text without marks, nor those that taking one out would make."""
        for _ in range(MOST_ROUNDS):
            if not self.first(text):
                return text
            text = self._pattern.sub("", text)
        for start in self._starts:  # nested on purpose: no mark can begin any more
            text = text.replace(start[0], "")
        return text


def without_controls(text: str) -> str:
    """The text without control and invisible characters; what they stood between is joined."""
    return CONTROL.sub("", text)


def _plain(text: str) -> bool:
    """Is it ASCII without controls? Seen many times faster than by the pattern."""
    if not text.isascii():
        return False
    return text.replace("\n", "").replace("\t", "").replace("\r", "").isprintable()


def _named(letter: str) -> str:
    return f"U+{ord(letter):04X}"


def _around(text: str, at: int) -> str:
    return clean(text[max(0, at - 12) : at + 12], lines=False)
