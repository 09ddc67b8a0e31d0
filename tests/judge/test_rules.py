from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import paths
from engine.errors import Problem
from engine.judge import rules


def test_the_sample_rules_tell_form_area_and_urgency_apart() -> None:
    loaded = rules.load(paths.bundled("sample_data") / "rules.yaml")
    reference = "area: billing\nurgency: high\nnext: refund the second charge"
    said = {
        reference: (True, True, True),
        "area: billing\nurgency: low\nnext: call": (True, True, False),
        "area: delivery\nurgency: high\nnext: call": (True, False, True),
        "area: billing\nurgency: high": (False, True, True),
        "I am sorry to hear that.": (False, False, False),
        "area: billing\nurgency: high\nnext: a\nand more": (False, True, True),
    }
    for answer, (form, area, urgency) in said.items():
        assert loaded.check(answer, reference) == {"form": form, "area": area, "urgency": urgency}


def test_every_sample_answer_passes_against_itself() -> None:
    folder = paths.bundled("sample_data")
    loaded = rules.load(folder / "rules.yaml")
    answers = [
        json.loads(line)["output"] for line in (folder / "tickets.jsonl").open(encoding="utf-8")
    ]
    assert len(answers) == len(set(answers)) == 300
    assert all(all(loaded.check(a, a).values()) for a in answers)


@pytest.mark.parametrize(
    "text",
    ["form: '('", "fields: {area: 'no group'}", "other: 1", "- a", "fields: [1]", "form: *x"],
)
def test_a_bad_rule_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(Problem, match=r"rules\.yaml"):
        rules.load(file)
