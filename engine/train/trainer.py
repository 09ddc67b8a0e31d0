"""The trainer: one process a run, in a session of its own, that reads only its run directory.

    python -P -m engine.train.trainer RUN     or     python -P -m engine.train.trainer --wait

With --wait it imports what it will need and waits on its standard input for the run, so that
Start does not pay for the imports; it ends when that input closes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from engine.errors import Problem
from engine.runs import directory
from engine.runs.channel import Channel, socket_path

FAILED, STOPPED_BY_TERM = 1, 143


def main() -> int:
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.argv[1:] == ["--wait"]:
        run = wait_for_run()
        if run is None:
            return 0
    else:
        run = Path(sys.argv[1]).resolve()
    os.chdir(run)
    return work(run)


def wait_for_run() -> Path | None:
    """Import, then read one line: the run's path, and what to add to the environment.

    None when the asker went away. CUDA reads its environment when it is first used, later than this.
    """
    import_heavy()
    learn_rates()
    line = sys.stdin.readline()
    if not line.strip():
        return None
    order = json.loads(line)
    os.environ.update(order["environment"])
    run = Path(order["run"])
    log = os.open(run / directory.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    return run


def import_heavy() -> None:
    """About six seconds of imports on two cores, none of which touches a GPU."""
    import peft
    import torch
    import transformers

    import engine.train.loop

    assert all((peft, torch, transformers.AutoModelForCausalLM, engine.train.loop))


def learn_rates() -> None:
    """Measure the processor's products where no rate is known yet, so that the first run's time can be told."""
    from engine import machine
    from engine.train.machine import measure_products

    if not machine.read_gpus():
        measure_products()


def work(run: Path) -> int:
    """Train one run from wherever it stands; every way of ending is told in its journal and `exit.json`."""
    faulthandler.enable()
    path = socket_path(run)
    try:
        lock = directory.claim(run, str(path))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return FAILED
    from engine.train.report import Report

    report = Report(run, _channel(path))
    _clear_ending(run)
    code = FAILED
    try:
        code = _work(run, report)
    finally:
        directory.write_json(run / directory.EXIT, {"code": code, "time": time.time()})
        report.close()
        lock.close()
    return code


def _clear_ending(run: Path) -> None:
    """What an earlier attempt left as its result is not this one's."""
    shutil.rmtree(run / directory.FINAL, ignore_errors=True)
    (run / directory.EXIT).unlink(missing_ok=True)


def _channel(path: Path) -> Channel | None:
    """The progress queue; None where the file system has no sockets: the journal and the command file remain."""
    try:
        return Channel(path)
    except OSError as error:
        print(f"no progress queue: {error}", file=sys.stderr)
        return None


def _work(run: Path, report: Any) -> int:
    from engine import events
    from engine.train.report import Stopping

    _listen_to_signals(report)
    try:
        return _train(run, report)
    except Stopping:
        for command in report.heard():
            report.say(events.CommandTaken(command.id, command.name, 0, ok=command.name == "stop"))
        report.say(events.Stopped())
        return 0
    except Problem as problem:
        traceback.print_exc()
        report.say(events.Failed(code="problem", message=str(problem)))
    except Exception as error:
        traceback.print_exc()
        report.say(events.Failed(code=type(error).__name__, message=_in_one_line(run, error)))
    return FAILED


def _in_one_line(run: Path, error: Exception) -> str:
    words = (str(error) or type(error).__name__).strip().splitlines()[0][:300]
    if type(error).__name__ == "OutOfMemoryError":
        return f"{run.name}: out of memory ({words}). Fix: lower runtime.token_budget, or choose a smaller model."
    return f"{run.name}: {type(error).__name__}: {words}. Fix: the whole story is in {run / directory.LOG}."


def _train(run: Path, report: Any) -> int:
    from engine import events
    from engine.train import checkpoint, loop
    from engine.train.afford import remember_rate
    from engine.train.setup import prepare

    job = prepare(run, report)
    complete = loop.train(job)
    remember_rate(job, job.seconds / max(1, job.tokens))
    best = run / directory.CHECKPOINTS / f"step-{job.state.best_step or job.state.step:06d}"
    final = checkpoint.publish_final(run, best)
    if complete:
        report.say(
            events.Done(
                step=job.state.step,
                best_step=job.state.best_step or job.state.step,
                best_loss=job.loss_of_all,
                path=str(final),
            )
        )
    else:
        report.say(events.Stopped(step=job.state.step, path=str(final)))
    return 0


def _listen_to_signals(report: Any) -> None:
    """The first SIGTERM or SIGINT stops and saves at the step's end; the second ends at once.

    The handler only leaves a mark: an exception raised in the middle of an import breaks the library imported.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if report.stop_asked:
            os._exit(STOPPED_BY_TERM)
        report.stop_asked = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    sys.exit(main())
