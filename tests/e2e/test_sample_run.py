"""The whole sample run, as the README promises it: minutes long, so by hand (`pytest -m campaign`)."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from engine import paths
from engine.judge import rules
from tests.e2e.conftest import Command


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_the_sample_run_does_what_it_promises(finetui: Command) -> None:
    tickets = paths.bundled("sample_data") / "tickets.jsonl"
    finetui("data", str(tickets), seconds=600)  # fetches the model, which is not the run's time
    began = time.monotonic()
    events = [
        json.loads(line)
        for line in finetui(
            "train", str(paths.sample_config()), "--json", seconds=900
        ).stdout.splitlines()
    ]
    seconds = time.monotonic() - began
    losses = [e["loss"] for e in events if e["kind"] == "eval" and e["all_rows"]]
    sample = paths.bundled("sample_data") / "rules.yaml"
    checked = rules.load(sample)
    answers = [
        json.loads(line) for line in finetui("compare", "last", "--json").stdout.splitlines()
    ]
    answers = [a for a in answers if "reference" in a]
    tuned = [checked.check(a["tuned"]["text"], a["reference"]) for a in answers]
    base = [checked.check(a["base"]["text"], a["reference"]) for a in answers]
    rows = [json.loads(line)["output"] for line in tickets.open()]
    for name in ("area", "urgency"):
        said = Counter(checked.fields[name].search(row)[1] for row in rows)  # type: ignore[index]
        majority = sum(
            said.most_common(1)[0][0] == checked.fields[name].search(a["reference"])[1]
            for a in answers
        )  # type: ignore[index]
        right = sum(t[name] for t in tuned)
        print(f"{name}: right {right} of {len(answers)}, the commonest answer {majority}")
        assert right >= majority * 1.4
    form = {side: sum(c["form"] for c in said) for side, said in (("tuned", tuned), ("base", base))}
    print(
        f"{seconds:.0f} s; held-out loss {losses[0]:.3f} -> {losses[-1]:.3f}; form {form} of {len(answers)}"
    )
    assert seconds < 300
    assert losses[-1] <= losses[0] * 2 / 3
    assert form["tuned"] >= 0.8 * len(answers)
    assert form["base"] <= 0.2 * len(answers)
