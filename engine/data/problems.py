"""What was wrong with the data: every fault counted, the first of each kind kept with its words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data.rows import Fault

KEPT = 100

WORDS: dict[str, tuple[str, str]] = {
    "ambiguous": (
        "the record could be read in two ways",
        "keep one of its fields, or set data.format to the shape that is meant",
    ),
    "answer_lost": (
        "the prompt alone fills the longest row, so nothing of the answer would be left to learn",
        "raise data.max_length, or shorten these prompts",
    ),
    "characters": (
        "the text holds characters that cannot be stored as text (half an emoji, or a zero byte)",
        "remove them, or write the whole character",
    ),
    "csv": (
        "the line is not a row of the table",
        "quote fields that hold the delimiter or a quote",
    ),
    "duplicate_key": (
        "one name stands twice in a record, so one of its values would be lost",
        "keep one of them",
    ),
    "empty_answer": ("there is no answer to learn from", "write the answer, or delete the row"),
    "empty_prompt": ("there is no question", "write the question, or delete the row"),
    "encoding": ("the file is not UTF-8 here", "save the file as UTF-8"),
    "held_out_copy": (
        "the same question is in the held-out file; trained on, it would not be held out",
        "nothing to do: these rows are not trained on",
    ),
    "json": ("the record is not valid JSON", "mend the JSON at the place named"),
    "missing": ("a field that the format needs is not there", "add the field, or correct its name"),
    "nesting": ("the record is nested deeper than any real row", "flatten the record"),
    "number": ("the number has no exact value in JSON", "write an ordinary number, or null"),
    "order": (
        "the turns are not in the order of a conversation: system (if any), user, assistant, …",
        "put the turns in order, the answer last",
    ),
    "role": ("a turn's role is not known", "use system, user, assistant and tool"),
    "shape": (
        "the record has another shape than the rest of the file",
        "write it as the others are",
    ),
    "template": (
        "the model's chat template cannot show this row",
        "change the row as the words say",
    ),
    "tools": (
        "the tool calls, results or definitions of the record do not fit together",
        "mend them as the words say",
    ),
    "too_long": (
        "one record is larger than 16 MB",
        "split it, or check that its line ends are there",
    ),
    "torn": ("the file ends in the middle of a record", "copy the file again in full"),
    "type": ("a field holds something other than text", "write the value as text"),
    "unknown_field": (
        "a field's name is close to one that is used, and would be passed over",
        "correct the name",
    ),
    "unsupported": (
        "the row holds something that finetui does not train on yet",
        "remove it from the row, or leave the row out",
    ),
}


@dataclass
class FaultLog:
    """Counts every fault by file and kind; keeps the first 100 of each."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    first: dict[tuple[str, str], list[Fault]] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        key = (fault.path, fault.code)
        self.counts[key] = self.counts.get(key, 0) + 1
        kept = self.first.setdefault(key, [])
        if len(kept) < KEPT:
            kept.append(fault)

    def extend(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.add(fault)

    def extend_numbered(self, other: FaultLog, records: int) -> None:
        """Take in another source's faults; its records are numbered after `records`."""
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
            kept = self.first.setdefault(key, [])
            kept += [replace(f, number=records + f.number) for f in other.first[key]][
                : KEPT - len(kept)
            ]

    def without(self, faults: Iterable[Fault]) -> None:
        """Let these count no more: their records were mended, or given up on purpose."""
        for fault in faults:
            key = (fault.path, fault.code)
            self.first[key].remove(fault)
            self.counts[key] -= 1
            if not self.counts[key]:
                del self.counts[key], self.first[key]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def faults(self) -> list[Fault]:
        """The kept ones, in the order of the file."""
        kept = [fault for faults in self.first.values() for fault in faults]
        return sorted(kept, key=lambda f: (f.path, f.line, f.column))

    def to_json(self) -> list[dict[str, Any]]:
        """One entry a kind, the commonest first."""
        keys = sorted(self.counts, key=lambda key: (-self.counts[key], key))
        return [self._entry(key) for key in keys]

    def _entry(self, key: tuple[str, str]) -> dict[str, Any]:
        meaning, remedy = WORDS.get(key[1], ("", ""))
        kept = self.first[key]
        return {
            "code": key[1],
            "count": self.counts[key],
            "rows": [fault.number for fault in kept],
            "first": str(kept[0]) if kept else "",
            "places": [[fault.line, fault.column, fault.what] for fault in kept],
            "meaning": meaning,
            "remedy": remedy,
        }
