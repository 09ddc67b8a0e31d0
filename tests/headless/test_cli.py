"""The command line: exit codes, errors in one line, and what is never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import STRINGS, drives_a_terminal
from tui import cli, opening

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(words)
    out, err = capsys.readouterr()
    return code, out, err


def in_process(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """finetui in a process of its own, without a terminal."""
    script = code or "import sys; from tui.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=600, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("trian",), "did you mean `finetui train`?"),
        (("--them", "dark"), "did you mean --theme?"),
        (("train", "--modle", "x"), "did you mean --model?"),
        (("train",), "name a config file, or --data FILE"),
        (("delete", "last"), "see `finetui --help`"),
        (("train", "nothing.yaml"), "name a YAML file"),
        (("data", "x.jsonl", "--fix", "drop"), "add --out FILE"),
        (("control", "x", "stpo"), "see `finetui control --help`"),
        (("control", "x", "stop"), "see `finetui runs` for their ids"),
        (("compare", "nothing"), "see `finetui runs` for their ids"),
        (("attach", "nothing"), "terminal"),
        (("last",), "finetui train"),
        (("nothing.jsonl",), "name a data file, a config (.yaml) or a run"),
        (("train", "--resume", "x", "--set", "train.epochs=1"), "leave the others out"),
        (("train", "--data", "x", "--set", "train.epoch=1"), "did you mean train.epochs?"),
        (("train", "--data", "x", "--set", "train.epochs=-1"), "above 0 to 1000"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_where_what_and_how(
    words: tuple[str, ...], fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *words)
    assert code == 2
    assert out == ""
    assert fix in err
    assert ": " in err
    assert " Fix: " in err
    assert len(err.strip().split("\n")) == 1
    assert "Traceback" not in err


def test_without_a_terminal_one_line_names_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys)
    assert code == 2
    assert out == ""
    assert "`finetui train`" in err
    assert "`ssh -t SERVER finetui`" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_that_cannot_be_drawn_on(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import Problem

    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    with pytest.raises(Problem, match="TERM is"):
        opening.check_terminal()


@pytest.mark.parametrize("number", range(len(STRINGS)))
def test_a_hostile_argument_is_inert(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    string = STRINGS[number].replace("\x00", "").replace("\ud800", "")
    for words in ((string,), ("compare", string), ("train", string)):
        code, _, err = said(capsys, *words)
        assert code == 2
        assert not drives_a_terminal(err)


def test_what_the_one_argument_means(a_home: Path) -> None:
    rows = a_home / "rows.jsonl"
    rows.write_text("{}\n")
    config = a_home / "mine.yml"
    config.write_text("data:\n  path: rows.jsonl\ntrain:\n  epochs: 2\n")
    run = a_home / "home" / "runs" / "001-rows"
    run.mkdir(parents=True)
    (run / "meta.json").write_text("{}")
    (run / "config.yaml").write_text("train:\n  epochs: 5\n")
    assert opening.find_target(str(rows)).config.data.path == str(rows)
    assert opening.find_target(str(config)).config.train.epochs == 2
    assert opening.find_target(str(config)).config.data.path == str(rows)
    for word in ("001-rows", "001", "last", str(run)):
        target = opening.find_target(word)
        assert target.run == run
        assert target.config.train.epochs == 5
    assert opening.find_target("someone/some-rows").config.data.path == "someone/some-rows"
    assert opening.find_target(None).run is None


def test_help_tells_every_command_and_none_of_later_versions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    for name in cli.COMMANDS:
        assert f"  {name} " in out
        assert said(capsys, name, "--help")[0] == 0
    for later in ("export", "delete", "clean", "pause", "rewind", "branch"):
        assert later not in out


def test_parsing_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys\nfrom tui.cli import main\nmain(['--help'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    last = in_process(code=code).stdout.strip().split("\n")[-1]
    assert "textual" not in last
    assert not {"'engine'", "'pydantic'", "'platformdirs'", "'rich'"} & set(
        last.strip("[]").split(", ")
    )


HEADLESS = ["train", "data", "runs", "control", "compare", "doctor"]


@pytest.mark.parametrize("name", HEADLESS)
def test_headless_commands_never_import_textual_or_the_heavy_libraries(name: str) -> None:
    code = (
        f"import sys, importlib\nfrom tui.cli import COMMANDS\nimportlib.import_module(COMMANDS['{name}'].module)\n"
        "import tui.headless.columns, tui.headless.prompts, tui.headless.report\n"
        "print([m for m in ('textual', 'torch', 'transformers', 'datasets', 'peft') if m in sys.modules])"
    )
    done = in_process(code=code)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys\nfrom tui.cli import main\nsys.exit(main(['runs', '--json']))"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{code}" | true; echo ${{PIPESTATUS[0]}}'],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.stdout.strip() == "0"
    assert done.stderr == ""


def test_runs_as_json_lines_and_as_a_table(
    a_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    run = a_home / "home" / "runs" / "001-rows"
    run.mkdir(parents=True)
    (run / "meta.json").write_text(json.dumps({"title": "\x1b[2J title", "created": 1.0}))
    code, out, err = said(capsys, "runs", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found) == [
        "id", "title", "status", "step", "total_steps", "baseline_loss", "best_loss", "best_step",
        "path",
    ]  # fmt: skip
    assert found["baseline_loss"] is None
    code, out, _ = said(capsys, "runs")
    assert "001-rows" in out
    assert not drives_a_terminal(out)


def test_no_runs_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "runs", "--json") == (0, "", "")
    assert "finetui train" in said(capsys, "runs")[2]


def test_an_error_of_our_own_is_a_log_file_and_no_traceback(
    a_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tui.headless import runs

    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(runs.listing, "list_runs", broken)
    code, _, err = said(capsys, "runs")
    assert code == 1
    assert "Traceback" not in err
    logs = list((a_home / "home" / "logs").iterdir())
    assert "boom" in logs[0].read_text()
