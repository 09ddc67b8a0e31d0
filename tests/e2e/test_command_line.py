"""From a fresh home to compared answers with the real starter model, through the command line alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import paths
from engine.judge import rules
from tests.e2e.conftest import Command

SHORT = ("--set", "train.epochs=1", "--set", "eval.every=9")


@pytest.mark.timeout(3000)
def test_the_starter_model_from_the_wheel_to_compared_answers(
    finetui: Command, starter_home: Path
) -> None:
    config = str(paths.sample_config())

    told = json.loads(
        finetui("data", str(paths.bundled("sample_data") / "tickets.jsonl"), "--json").stdout
    )
    assert (told["rows"], told["train"] + told["eval"], told["problems"]) == (300, 300, [])
    assert told["overlap"]["exact"] == told["overlap"]["normalised"] == 0
    assert [
        p.name for p in (starter_home / "cache" / "models").iterdir() if not p.name.startswith(".")
    ] == ["smollm2-135m"]

    lines = finetui("train", config, *SHORT, "--json", seconds=2400).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert [e["seq"] for e in events] == list(range(len(events)))
    assert events[-1]["kind"] == "done"
    every_row = [e for e in events if e["kind"] == "eval" and e["all_rows"]]
    assert every_row[0]["step"] == 0
    assert every_row[-1]["loss"] < every_row[0]["loss"] * 2 / 3

    (run,) = [json.loads(line) for line in finetui("runs", "--json").stdout.splitlines()]
    assert run["status"] == "done"
    assert run["best_loss"] == pytest.approx(every_row[-1]["loss"])
    assert (run["step"], run["total_steps"]) == (18, 18)

    prompts = starter_home / "prompts.txt"
    prompts.write_text("What is the capital of France?\n")
    (answer, *_) = [
        json.loads(line)
        for line in finetui(
            "compare", "last", "--prompts", str(prompts), "--json"
        ).stdout.splitlines()
    ]
    assert answer["base"]["text"]

    sample = paths.bundled("sample_data") / "rules.yaml"
    compared = [
        json.loads(line)
        for line in finetui(
            "compare", run["id"], "--rules", str(sample), "--json"
        ).stdout.splitlines()
    ]
    checked = rules.load(sample)
    answers = [line for line in compared if "reference" in line]
    assert len(answers) == told["eval"]
    tuned = [checked.check(a["tuned"]["text"], a["reference"])["form"] for a in answers]
    base = [checked.check(a["base"]["text"], a["reference"])["form"] for a in answers]
    assert sum(base) == 0
    assert sum(tuned) >= 0.8 * len(tuned)


@pytest.mark.timeout(1500)
def test_the_starter_models_tokenizer_and_its_answer(
    finetui: Command, starter_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap: digits one by one, blank lines as one token, and it still knows its capitals."""
    monkeypatch.setenv("FINETUI_HOME", str(starter_home))
    from engine.data.rows import Message
    from engine.data.tokens import end_ids, prompt_ids
    from engine.judge.generate import generate
    from engine.model import load
    from engine.model.find import find

    folder = find("smollm2-135m")
    tokenizer = load.load_tokenizer(folder)
    assert tokenizer.tokenize("\n\n1.") == ["ĊĊ", "1", "."]
    assert tokenizer.tokenize("In 1984") == ["In", "Ġ", "1", "9", "8", "4"]
    assert tokenizer.model_max_length == 8192
    model = load.load_model(folder, load.pick_dtype("auto", "cpu"), "cpu")
    prompt = prompt_ids(tokenizer, [Message("user", "What is the capital of France?")])
    (answer,) = generate(model, tokenizer, [prompt], end_ids(tokenizer), 24)
    assert "Paris" in answer.text
    assert answer.stopped


def test_mistakes_cost_one_line_and_start_nothing(
    finetui: Command, starter_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "bad.yaml").write_text("train:\n  learing_rate: 1\n")
    for words in (
        ("train", "--data", str(tmp_path / "empty.jsonl")),
        ("train", "--data", str(tmp_path / "nothing.jsonl")),
        ("train", str(tmp_path / "bad.yaml")),
        ("train", str(paths.sample_config()), "--set", "train.epochs=-1"),
        ("train", str(paths.sample_config()), "--set", "runtime.device=cuda:9"),
        ("data", str(tmp_path)),
        ("compare", "no-such-run"),
        ("tran",),
        (),
    ):
        said = finetui(*words, code=2)
        assert said.stdout == ""
        lines = said.stderr.strip().splitlines()
        assert len(lines) <= 2, said.stderr
        assert "Fix: " in said.stderr or "finetui train" in said.stderr
    assert "ssh -t" in finetui(code=2).stderr
