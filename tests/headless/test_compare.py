"""`finetui compare` and `finetui data` against a desk that answers from a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from engine.errors import Problem
from tests.hostile import STRINGS, drives_a_terminal
from tests.tui.fake_desk import PROBLEMS, SUMMARY, FakeDesk
from tui import cli
from tui.headless import columns, compare, data
from tui.headless.prompts import read_prompts

RULES = "form: '(?s)area: .*'\nfields:\n  area: 'area: (.*)'\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that is done, held by a desk that answers from a script."""
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path))
    folder = tmp_path / "runs" / "001-rows"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    (folder / "config.yaml").write_text("train:\n  epochs: 1\n")
    (folder / "events.jsonl").write_text(
        '{"v":1,"run":"001-rows","seq":0,"attempt":0,"time":1,"kind":"done","step":3,"path":"final"}\n'
    )
    return folder


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    made = FakeDesk()

    class Opened:
        def __enter__(self) -> FakeDesk:
            return made

        def __exit__(self, *_: object) -> None: ...

    for module in (compare, data):
        monkeypatch.setattr(module, "open_desk", Opened)
    return made


def lines_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.strip().split("\n")]


def test_every_held_out_row_as_a_json_line(
    run: Path, desk: FakeDesk, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(compare, "BATCH", 8)
    (tmp_path / "rules.yaml").write_text(RULES)
    desk.page = 7  # they come in pieces
    *rows, last = lines_of(
        capsys, "compare", "last", "--json", "--rules", str(tmp_path / "rules.yaml")
    )
    assert [row["number"] for row in rows] == list(range(1, 31))
    first = rows[0]
    assert first["tuned"] == {
        "text": "area: billing\nurgency: high\nnext: refund the second charge",
        "tokens": 18, "seconds": 1.2, "stopped": True,
    }  # fmt: skip
    areas = [row["reference"].split("\n")[0] for row in rows]
    right = sum(area == "area: billing" for area in areas)
    assert last["summary"] == {
        "run": "001-rows",
        "prompts": 30,
        "passed": {"base": {"form": 0, "area": 0}, "tuned": {"form": 30, "area": right}},
    }
    assert [len(given["prompts"]) for name, given in desk.asked if name == "answers"] == [
        8,
        8,
        8,
        6,
    ]


def test_prompts_of_a_file_get_the_commonest_system_prompt(
    run: Path, desk: FakeDesk, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "prompts.txt").write_text("One?\n\nTwo?\n")
    *rows, _ = lines_of(
        capsys, "compare", "001", "--json", "--prompts", str(tmp_path / "prompts.txt")
    )
    assert [(row["number"], row["prompt"]) for row in rows] == [(1, "One?"), (2, "Two?")]
    assert {row["system"] for row in rows} == {"You sort support tickets."}


def test_the_report_for_a_person(
    run: Path, desk: FakeDesk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["compare", "last"]) == 0
    out = capsys.readouterr().out
    assert "[1 of 30] The invoice" in out or "[1 of 30]" in out
    assert "base  18 tokens 1.2 s" in out
    assert any("│ tuned  18 tokens 1.2 s" in line for line in out.split("\n"))
    assert "wanted: area:" in out
    assert out.rstrip().endswith("30 prompts")


@pytest.mark.parametrize("string", STRINGS, ids=range(len(STRINGS)))
def test_hostile_rows_and_answers_are_inert(
    string: str, run: Path, desk: FakeDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.rows = desk.rows[:10]
    for row in desk.rows:
        row["user"] = row["answer"] = string
    assert cli.main(["compare", "last"]) == 0
    assert not drives_a_terminal(capsys.readouterr().out)


def test_a_run_without_weights_is_refused(
    run: Path, desk: FakeDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "events.jsonl").unlink()
    assert cli.main(["compare", "last"]) == 2
    assert "has no weights yet" in capsys.readouterr().err


# ---------------------------------------------------------------- prompts


def test_prompts_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(
        '{"prompt": "a"}\n{"prompt": "b", "system": "", "reference": "r"}\n'
        '{"messages": [{"role": "user", "content": "c"}]}\n'
        '{"messages": [{"role": "system", "content": "t"}, {"role": "user", "content": "d"}]}\n'
    )
    found = read_prompts(path, "s")
    assert [p.messages for p in found] == [
        (("system", "s"), ("user", "a")),
        (("user", "b"),),
        (("system", "s"), ("user", "c")),
        (("system", "t"), ("user", "d")),
    ]
    assert [p.reference for p in found] == ["", "r", "", ""]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no prompt"),
        ('{"prompt": "a"}\n{"x": 1}', "p.jsonl:2: has neither prompt nor messages"),
        ("{nothing", "p.jsonl:1: is not JSON"),
        ('{"messages": [{"role": "robot", "content": ""}]}', "no role that is known"),
        ('{"messages": [{"role": "user", "content": 3}]}', "has no text"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "not the user's"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_bad_prompts_are_named_by_line(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(Problem) as met:
        read_prompts(path, "")
    assert what in str(met.value)


# ---------------------------------------------------------------- data


def test_a_summary_is_printed_whole_as_one_object(
    desk: FakeDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = lines_of(capsys, "data", "rows.jsonl", "--json")
    told_otherwise = ("problems", "split", "checks", "draft", "mapping")
    for name in SUMMARY.keys() - set(told_otherwise):
        assert found[name] == SUMMARY[name]
    assert found["problems"] == [*SUMMARY["problems"], *SUMMARY["checks"]]
    assert found["split"]["overlap"] == {"exact": 0, "normalized": 0, "near": 0}


def test_a_summary_in_words(desk: FakeDesk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.summary = {**SUMMARY, "problems": PROBLEMS, "notes": ["\x1b[2J a note"]}
    assert cli.main(["data", "rows.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "300 read, 300 usable" in out
    assert "270 to train on, 30 held out" in out
    assert "0 exact, 0 but for case and spaces" in out
    assert "3 × The line is no JSON object" in out
    assert "tickets.jsonl:118:42: a string is not closed. Fix: add the quote." in out
    assert not drives_a_terminal(out)


def test_data_that_cannot_be_used_ends_with_2(
    desk: FakeDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.problem = Problem("rows.jsonl:3:1", "is no JSON", "mend it")
    assert cli.main(["data", "rows.jsonl", "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "rows.jsonl:3:1: is no JSON. Fix: mend it.\n")


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize("width", [40, 70, 100])
def test_columns_never_run_over(width: int) -> None:
    texts = ["short", "word " * 60, "漢字" * 80, "x" * 300, "a\n\nb", "  indented " * 20, ""]
    for left in texts:
        for right in texts:
            lines = columns.side_by_side(left, right, width)
            assert all(cell_len(line) <= width for line in lines)


def test_wrapping_loses_no_word() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 10 + "\nSecond line"
    assert " ".join(columns.wrapped(text, 33)).split() == text.split()
