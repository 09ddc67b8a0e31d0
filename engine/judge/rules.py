"""Check an answer mechanically against a reference, by a small file of regular expressions.

form: expression that must match the whole answer
fields:
  NAME: expression whose first group, in the answer and in the reference, must be equal
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import config as knobs
from engine.errors import Problem


@dataclass(frozen=True)
class Rules:
    form: re.Pattern[str] | None
    fields: dict[str, re.Pattern[str]]

    def check(self, answer: str, reference: str) -> dict[str, bool]:
        """For `form` and each field, whether the answer passes."""
        found: dict[str, bool] = {}
        if self.form is not None:
            found["form"] = self.form.fullmatch(answer.strip()) is not None
        for name, expression in self.fields.items():
            wanted, given = expression.search(reference), expression.search(answer)
            found[name] = bool(wanted and given and wanted[1] == given[1])
        return found


def load(path: Path) -> Rules:
    """Read a rule file; a Problem names what is wrong with it."""
    tree = knobs.read_yaml(path)
    if not isinstance(tree, dict) or not set(tree) <= {"form", "fields"}:
        raise Problem(str(path), "is no rule file", "give `form:` and `fields:` and nothing else")
    fields = tree.get("fields") or {}
    if not isinstance(fields, dict):
        raise Problem(f"{path}: fields", "holds no names", "give one `name: expression` a line")
    form = _compile(path, "form", tree["form"]) if tree.get("form") else None
    return Rules(
        form, {str(name): _compile(path, str(name), text) for name, text in fields.items()}
    )


def _compile(path: Path, name: str, text: Any) -> re.Pattern[str]:
    try:
        expression = re.compile(str(text), re.MULTILINE)
    except re.error as error:
        raise Problem(
            f"{path}: {name}", f"is no regular expression ({error})", "mend the expression"
        ) from error
    if name != "form" and expression.groups < 1:
        raise Problem(f"{path}: {name}", "has no group", "put (brackets) round what is to be equal")
    return expression
