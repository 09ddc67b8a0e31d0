"""`finetui data`: one JSON object for scripts, words for a person, and new files that are mended or converted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.save import check_free
from engine.errors import Problem
from tests.hostile import STRINGS, drives_a_terminal
from tests.tui.fake_desk import SUMMARY
from tui.cli import main
from tui.headless.data import as_json, report

SECRET = "AKIA" + "Q3EGKZ7T5WJX2LHB"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [{"instruction": f"Ask {n} about {n}", "output": f"Answer {n}."} for n in range(30)]
    rows += [rows[0], {"instruction": "The key?", "output": f"Use {SECRET}."}]
    rows += [
        {"instruction": "Where?", "output": "In the cafÃ©."},
        {"instruction": "", "output": ""},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def run(*words: Any) -> int:
    return main(["data", *map(str, words)])


def test_one_object_with_all_that_scripts_need(
    file: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file, "--model", tiny_model_folder, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["path"], found["rows"], found["format"], found["usable"]) == (
        str(file), 34, "alpaca", 33,
    )  # fmt: skip
    assert found["confidence"] == 1.0
    assert set(found["tokens"]) == {"p50", "p95", "p99", "max"}
    split = found["split"]
    assert split["train"] + split["eval"] == 33
    assert split["overlap"] == {"exact": 0, "normalized": 0, "near": 0}
    problems = {problem["code"]: problem for problem in found["problems"]}
    assert set(problems) == {"empty_prompt", "exact_copies", "secrets", "mojibake"}
    for problem in problems.values():
        assert {"code", "count", "rows", "meaning", "remedy"} <= set(problem)
    assert problems["exact_copies"]["rows"] == [1, 31]
    assert problems["secrets"]["rows"] == [32]
    assert SECRET not in line


def test_fixes_are_written_into_a_new_file_and_nowhere_else(
    file: Path, tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = file.read_bytes(), tmp_path / "new.jsonl"
    words = (file, "--model", tiny_model_folder, "--fix", "dedupe,mend,mask", "--out", out)
    assert run(*words) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 32
    assert rows[31]["output"] == "In the café."
    assert SECRET not in out.read_text()
    assert "saved     32 rows" in capsys.readouterr().out
    assert file.read_bytes() == before
    assert run(*words) == 2
    assert "a file of this name" in capsys.readouterr().err
    assert run(file, "--model", tiny_model_folder, "--json") == 0  # no edit was kept
    assert json.loads(capsys.readouterr().out)["edits"]["excluded"] == 0


def test_rows_in_another_shape(file: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.json"
    assert run(file, "--model", tiny_model_folder, "--convert", "messages", "--out", out) == 0
    rows = json.loads(out.read_text())
    assert rows[0] == {
        "messages": [
            {"role": "user", "content": "Ask 0 about 0"},
            {"role": "assistant", "content": "Answer 0."},
        ]
    }
    assert len(rows) == 33


def test_unknown_columns_name_the_knobs_that_say_what_they_are(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("ticket,reply_text\n" + "".join(f"q{n},a{n}\n" for n in range(20)))
    assert run(path, "--model", tiny_model_folder) == 2
    said = capsys.readouterr().err
    assert "ticket, reply_text" in said
    assert "--set data.prompt_column=" in said
    columns = ("--set", "data.prompt_column=ticket", "--set", "data.answer_column=reply_text")
    assert run(path, "--model", tiny_model_folder, *columns, "--json") == 0
    assert json.loads(capsys.readouterr().out)["usable"] == 20


@pytest.mark.parametrize("text", STRINGS)
def test_nothing_in_the_data_drives_the_terminal(text: str) -> None:
    check = {
        "code": "x", "title": text, "severity": "bad", "count": 2, "rows": [1, 2], "meaning": text,
        "remedy": text, "remedies": ["leave"], "chosen": "",
    }  # fmt: skip
    summary = {**SUMMARY, "checks": [check], "notes": [text], "system": text, "path": text}
    for line in report(summary):
        assert not drives_a_terminal(line)
    assert as_json(summary)["problems"][-1]["title"] == text


def test_an_unknown_fix_is_refused(
    file: Path, tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.jsonl"
    assert run(file, "--model", tiny_model_folder, "--fix", "polish", "--out", out) == 2
    assert "drop, dedupe, mend, mask" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(Problem, match="ending"):
        check_free(tmp_path / "x.exe")
