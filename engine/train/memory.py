"""Running out of memory: what counts as that, and how work goes on with less at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch

from engine import events
from engine.runs import directory
from engine.train.plan import LEAST_BUDGET

if TYPE_CHECKING:
    from engine.train.loop import Job

Found = TypeVar("Found")
WORDS = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""How torch says it where it has no error of its own for it: on a CPU, and in cuBLAS."""


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


def within_memory(job: Job, work: Callable[[], Found]) -> Found:
    """What `work` gives, begun again with half the token budget whenever the device runs out of memory.

    The plan keeps the smaller budget, so that a resume does not run into the same wall.
    """
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            before = job.plan.token_budget
            if before <= LEAST_BUDGET or not is_out_of_memory(error):
                raise
        give_back(job)
        job.plan = replace(job.plan, token_budget=max(LEAST_BUDGET, before // 2))
        directory.write_json(job.run / directory.PLAN, job.plan.to_json())
        job.report.say(
            events.OutOfMemory(step=job.state.step, before=before, after=job.plan.token_budget)
        )


def again_with_room(job: Job, work: Callable[[], Found]) -> Found:
    """What `work`, which no token budget makes smaller, gives; begun again once with all that can be given back."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    give_back(job)
    budget = job.plan.token_budget
    job.report.say(events.OutOfMemory(step=job.state.step, before=budget, after=budget))
    return work()


def give_back(job: Job) -> None:
    """Drop gradients, and what the allocator keeps for later."""
    job.optimizer.clear()
    for parameter in job.optimizer.parameters.values():
        parameter.grad = None
    torch.cuda.empty_cache()
