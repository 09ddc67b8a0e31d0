"""The child is held to its limits, and whatever becomes of it the parent hears one clear Problem."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Cancelled, Problem
from engine.sandbox import limited
from engine.sandbox.chat_template import SAMPLE
from tests.tiny import CHATML

MEGABYTE = 2**20


def run(task: str, seconds: float = 5, memory: int = 512 * MEGABYTE, **arguments: Any) -> Any:
    return limited.run(task, arguments, seconds=seconds, memory_bytes=memory, where="the file")


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program of the test in the child's place."""

    def put(program: str) -> None:
        monkeypatch.setattr(limited, "_command", lambda: [sys.executable, "-c", program])

    return put


def test_a_result_comes_back() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    (expected,), _ = render_jinja_template([list(SAMPLE)], chat_template=CHATML)
    assert run("template", template=CHATML) == {"characters": len(expected)}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ 'a' * 10**10 }}", "more than 0.5 GB of memory"),
        ("{{ 'a' * 10**7 }}", "more than 1 MB"),
        ("{% for i in range(9999) %}{{ 'a' * 1000 }}{% endfor %}", "more than 1 MB"),
        ("{% for %}", "line 1: not a valid template"),
        ("a\nb\n{{ ( }}", "line 3: not a valid template"),
        ("{{ ''.__class__.__mro__ }}", "may not"),
        ("{{ " + "(" * 5000 + " }}", "nested too deeply"),
    ],
)
def test_a_hostile_template_is_a_problem(template: str, words: str) -> None:
    with pytest.raises(Problem, match=words) as problem:
        run("template", template=template)
    assert problem.value.where.startswith("the file")


def test_time_is_bounded() -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    began = time.monotonic()
    with pytest.raises(Problem, match=r"longer than 0\.3 s"):
        run("template", seconds=0.3, template=endless)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)"),
        ("import os; os.abort()", "memory"),
        ("import os; os.kill(os.getpid(), 9)", "memory"),
        ("import os; os.kill(os.getpid(), 24)", "longer than 5 s"),
        ("raise SystemExit(3)", "code 3"),
        ("print('not json', flush=True)", "code 0"),
        ("print('[1]\\n' * 10)", "code 0"),
        ("import os; os.write(1, b'[' * 100000)", "code 0"),
    ],
)
def test_a_child_that_dies_is_a_problem_that_names_the_file(
    child: Any, program: str, words: str
) -> None:
    child(program)
    with pytest.raises(Problem, match=f"the file: .*{words}"):
        run("gguf")


def test_a_child_that_floods_its_pipe_is_ended(child: Any) -> None:
    child("import sys\nwhile True: sys.stdout.write('x' * 65536 + '\\n')")
    with pytest.raises(Problem, match="without end"):
        run("gguf")


def test_a_child_is_gone_with_what_it_started(child: Any, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    child(
        "import json, os, subprocess, sys, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid)!r}, 'w').write(str(other.pid))\n"
        "print(json.dumps({'result': 1}), flush=True)\n"
        "time.sleep(600)"
    )
    assert run("gguf") == 1
    state = Path(f"/proc/{pid.read_text()}/stat")
    if state.exists():
        assert state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_progress_comes_and_cancelling_ends_the_child(child: Any) -> None:
    child(
        "import json, time\n"
        "print(json.dumps({'progress': ['reading', 1, 2]}), flush=True)\n"
        "time.sleep(600)"
    )
    told: list[tuple[str, int, int]] = []

    def cancel(phase: str, done: int, total: int) -> None:
        told.append((phase, done, total))
        raise Cancelled

    with pytest.raises(Cancelled):
        limited.run("gguf", {}, seconds=60, memory_bytes=2**29, where="x", on_progress=cancel)
    assert told == [("reading", 1, 2)]


def test_the_child_sees_a_bare_environment_and_its_limits(
    child: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    child(
        "import json, os, resource, sys\n"
        "sys.path.insert(0, os.environ['PYTHONPATH'])\n"
        "from engine.sandbox import child\n"
        "child._limit(2**30)\n"
        "print(json.dumps({'result': {'env': sorted(os.environ), 'cwd': os.getcwd(),\n"
        "  'core': resource.getrlimit(resource.RLIMIT_CORE),\n"
        "  'memory': resource.getrlimit(resource.RLIMIT_AS)}}), flush=True)"
    )
    found = run("gguf")
    assert "HF_TOKEN" not in found["env"]
    assert found["core"] == [0, 0]
    assert found["memory"] == [2**30, 2**30]
    assert found["cwd"].startswith(os.path.realpath(tempfile.gettempdir()))
    assert not os.path.exists(found["cwd"])


def test_a_folder_named_engine_where_one_stands_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.chdir(tmp_path)
    assert run("template", template="x") == {"characters": 1}


def test_an_unknown_task_is_no_traceback() -> None:
    with pytest.raises(Problem, match="the file"):
        run("no such task")


def test_arguments_are_json() -> None:
    with pytest.raises(TypeError):
        run("template", template=json)
