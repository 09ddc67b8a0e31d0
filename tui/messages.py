"""What widgets tell the app. Foreign text may be in them: the app cleans what it shows."""

from __future__ import annotations

from typing import Literal

from textual.message import Message

from engine.errors import Problem

Severity = Literal["information", "warning", "error"]


class Notice(Message):
    """A short word for the corner of the screen."""

    def __init__(self, text: str, severity: Severity = "information") -> None:
        super().__init__()
        self.text = text
        self.severity: Severity = severity


class Problemed(Message):
    """Something went wrong that the person can mend."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
