"""The one kind of error that a person is meant to read."""

from __future__ import annotations


class Problem(Exception):
    """Something a person can mend: where it is, what it is, how to fix it.

    Shown as `WHERE: what. Fix: how.`; never with a traceback.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.where = where
        self.what = what.rstrip(".")
        self.fix = fix.rstrip(".")

    def __str__(self) -> str:
        return f"{self.where}: {_sentence(self.what)} Fix: {_sentence(self.fix)}"

    def to_json(self) -> dict[str, str]:
        return {"where": self.where, "what": self.what, "fix": self.fix}

    @classmethod
    def from_json(cls, fields: dict[str, str]) -> Problem:
        return cls(fields["where"], fields["what"], fields["fix"])


def _sentence(words: str) -> str:
    return words if words.endswith(("?", "!")) else f"{words}."


class Cancelled(Exception):
    """The person asked for the work in hand to be dropped."""
