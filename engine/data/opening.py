"""From a source to rows ready to train on: read, edited, made into tokens that fit, checked, divided into sides."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from engine.config import Config
from engine.data import source as sources
from engine.data.checks.finding import Finding
from engine.data.checks.near import Grouping, group
from engine.data.checks.run import run_checks
from engine.data.checks.scans import Scans
from engine.data.dataset import Dataset, Whole
from engine.data.divide import Used, divide
from engine.data.edits import Edited, Edits
from engine.data.facts import facts_of
from engine.data.fit import Fitted, fit, window_of
from engine.data.picked import Picked
from engine.data.problems import FaultLog
from engine.data.project import EDITS, Project, Unkept
from engine.data.read import quiet
from engine.data.rows import Row
from engine.data.source import Source
from engine.data.split import prompt_of
from engine.data.stages import SoFar, as_text, nobody, uncounted
from engine.data.template import template_of
from engine.data.tokens import encode_rows
from engine.errors import Problem

OnProgress = Callable[[str, int, int], None]


def open_data(
    config: Config,
    tokenizer_of: Callable[[], Any],
    on_progress: OnProgress = quiet,
    project_of: Callable[[str], Project] = Project,
    on_stage: Callable[[Dataset], None] = lambda dataset: None,
) -> Dataset:
    """Read `config.data` and make it ready to train on, with the edits kept for it. Raises Problem when
    nothing can be used. `on_stage` is given what can be looked at while the rest is done (`Stage`); the
    tokenizer is asked for after the first.

    `on_progress(phase, done, total)` may raise Cancelled; phases are "reading", "tokenizing", "near copies",
    "counting overlap", "checking".
    """

    def first_rows(source: Source, large: bool) -> None:
        on_stage(as_text(config, source, Edits(Unkept(source.path))))
        if not large:
            return
        tokenizer = tokenizer_of()
        whole = Whole(*sources.count(source, config, tokenizer, quiet))
        with suppress(Problem):  # what is wrong with them is told with the rest
            edits = Edits(Unkept(source.path))
            first = _counted(config, source, whole, edits, tokenizer, quiet)
            on_stage(replace(first, stage="first rows"))

    source = sources.read(config, on_progress, first_rows)
    edits = Edits(project_of(source.path))
    if not source.on_disk:
        on_stage(as_text(config, source, edits))
    tokenizer = tokenizer_of()
    told = nobody
    if source.on_disk:
        told = SoFar(uncounted(config, source, edits, tokenizer), on_stage).add
    whole = Whole(*sources.count(source, config, tokenizer, on_progress, told))
    return _counted(config, source, whole, edits, tokenizer, on_progress)


def recount(dataset: Dataset, on_progress: OnProgress = quiet) -> Dataset:
    """The same source after an edit: only what was edited is read and tokenised anew, all else is counted
    from what is known of each row."""
    assert dataset.whole is not None
    return _counted(
        dataset.config, dataset.source, dataset.whole, dataset.edits, dataset.tokenizer, on_progress
    )


def _counted(
    config: Config,
    source: Source,
    whole: Whole,
    edits: Edits,
    tokenizer: Any,
    on_progress: OnProgress,
) -> Dataset:
    edited = sources.edited(source, edits)
    rows = edited.rows.finished(partial(sources.with_system, system=config.data.system))
    log = copy.deepcopy(source.log)
    log.without([*edited.mended.values(), *edited.dropped])
    now = _with_edits(whole, edited, rows, tokenizer)
    tools = now.facts.of("tools")
    fitted = fit(config, tokenizer, rows, now.encoded, tools, source.file_of, log)
    usable = fitted.usable.copy()
    usable[list(edited.excluded)] = False
    places = np.flatnonzero(usable)
    picked, facts = Picked(rows, places), now.facts.picked(places)
    near = group(
        facts,
        lambda at: prompt_of(picked[at]),
        lambda done, total: on_progress("near copies", done, total),
    )
    used = Used(places, picked, facts, near.labels)
    divided = divide(config, source, edits.project, rows, used, log, on_progress)
    if "train" not in divided.sides:
        raise _nothing_to_train(source, edited, edits, log)
    return Dataset(
        config=config,
        source=source,
        whole=whole,
        edits=edits,
        edited=edited,
        rows=rows,
        sides=divided.sides,
        encoded=fitted.encoded,
        max_length=fitted.max_length,
        method=divided.method,
        findings=_findings(used, fitted, tokenizer, on_progress),
        set_aside=divided.set_aside,
        overlap=divided.overlap,
        log=log,
        tokenizer=tokenizer,
        notes=[
            *source.notes, *fitted.notes, *_crowd_notes(near), *divided.notes, *_edit_notes(edited)
        ],
    )  # fmt: skip


def _nothing_to_train(source: Source, edited: Edited, edits: Edits, log: FaultLog) -> Problem:
    if not edited.excluded:
        return sources.nothing(source.path, source.records, log)
    what = f"no row is left to train on: {len(edited.excluded):,} are left out by your edits"
    kept = edits.project.folder / EDITS
    return Problem(source.path, what, f"leave some of them in, or delete the edits ({kept})")


def _with_edits(whole: Whole, edited: Edited, rows: Sequence[Row], tokenizer: Any) -> Whole:
    """The source's tokens and facts, those of edited rows made anew."""
    at = sorted(edited.edited)
    some = [rows[place] for place in at]
    tokens = dict(zip(at, encode_rows(tokenizer, some, None), strict=True))
    facts = facts_of(some, Scans(template_of(tokenizer).stops))
    return Whole(whole.encoded.with_edits(tokens), whole.facts.with_edits(at, facts))


def _findings(used: Used, fitted: Fitted, tokenizer: Any, on_progress: OnProgress) -> list[Finding]:
    """What the checks find among the rows in use, by their positions among all rows."""
    encoded, places = fitted.encoded, used.places
    window = window_of(tokenizer)
    found = run_checks(
        used.rows,
        used.facts,
        lengths=encoded.lengths[places],
        labels=encoded.label_counts[places],
        full_lengths=encoded.full_lengths[places],
        max_length=fitted.max_length,
        window=window,
        groups=used.groups,
        prompt_lengths=encoded.prompt_lengths(window)[places],
        special_tokens=template_of(tokenizer).stops,
        on_progress=lambda done, total: on_progress("checking", done, total),
    )
    return [
        replace(
            f, rows=places[f.rows], detail={int(places[at]): said for at, said in f.detail.items()}
        )
        for f in found
    ]


def _crowd_notes(near: Grouping) -> list[str]:
    if not near.untried:
        return []
    return [
        f"so many rows are alike that {near.untried:,} pairs of them were not compared; the overlap "
        "is counted in full all the same"
    ]


def _edit_notes(edited: Edited) -> list[str]:
    if not edited.lost:
        return []
    return [f"{edited.lost:,} edits name rows or records that are no longer in the file"]
