"""What the desk can do, one method a call. Arguments and results are plain JSON."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import config as knobs
from engine.config import Config
from engine.data.rows import messages_to_json
from engine.desk.data_work import DataWork
from engine.errors import Problem
from engine.model import targets
from engine.runs import directory

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.data.rows import Row
    from engine.desk.answering import Answering
    from engine.desk.process import Task

MOST_PROMPTS = 500
"""One answer of the desk holds no more rows than this."""


class Work:
    """Holds the data opened last and the model that answers; `calls` are the names an app may use."""

    def __init__(self) -> None:
        self.rows = DataWork()
        self.opened: dict[str, Any] = {}
        self.tokenizer: Any = None
        self.model_folder: Path | None = None
        self.answering: Answering | None = None
        self.calls = {
            **self.rows.calls,
            "open_data": self.open_data,
            "mend": self.mend,
            "prepare": self.prepare,
            "held_out": self.held_out,
            "answers": self.answers,
            "release": self.release,
        }

    def open_data(self, task: Task, config: dict[str, Any]) -> dict[str, Any]:
        """Find the model, read, split and tokenise the data; its summary, with the model's facts."""
        from engine.data.opening import open_data
        from engine.data.read import check_source
        from engine.data.shapes.unknown import UnknownShape
        from engine.data.summary import summary
        from engine.model.find import facts

        settings = knobs.from_dict(config)
        if settings.runtime.device.startswith("cuda"):
            from engine.model.load import pick_device

            pick_device(settings.runtime.device)  # refused here, before anything is made
        for path in (settings.data.path, settings.data.eval_path):
            if path:
                check_source(path)
        began_with = self.tokenizer
        try:
            dataset = open_data(
                settings,
                partial(self._tokenizer_of, settings.model.name, task),
                task.progress,
                on_stage=lambda part: self._show(task, part, began_with),
            )
            self.rows.opened(dataset)
        except UnknownShape as unknown:
            self.rows.dataset = None
            return _to_map(unknown)
        self.opened = _about_data(settings)
        folder = self._find(settings.model.name, task)
        about_model = {**facts(folder), "name": settings.model.name}
        return {**summary(self.rows.data), "model": about_model}

    def _show(self, task: Task, part: Dataset, tokenizer: Any) -> None:
        """What there is so far can be asked for while the rest is done; the mere text is not worth it where
        there is a tokenizer from before."""
        from engine.data.summary import summary

        if part.stage == "text" and tokenizer is not None:
            return
        self.rows.opened(part)
        task.item({"summary": summary(part)})

    def mend(
        self, task: Task, config: dict[str, Any], fixes: list[str], out: str, shape: str = ""
    ) -> dict[str, Any]:
        """Open data, do `fixes` to a copy of it, and write that into the new file `out`."""
        from engine.data.mend import check_fixes, mended
        from engine.data.opening import open_data
        from engine.data.project import Unkept
        from engine.data.save import check_free
        from engine.data.shapes.unknown import UnknownShape
        from engine.data.summary import summary

        check_fixes(fixes)
        check_free(Path(out).expanduser())
        settings = knobs.from_dict(config)
        tokenizer_of = partial(self._tokenizer_of, settings.model.name, task)
        try:
            dataset = open_data(settings, tokenizer_of, task.progress, Unkept)
        except UnknownShape as unknown:
            return _to_map(unknown)
        self.rows.opened(mended(dataset, fixes, task.progress))
        saved = self.rows.save_as(task, out, shape)
        return {**summary(self.rows.data), "saved": saved}

    def prepare(self, task: Task, config: dict[str, Any], title: str = "") -> dict[str, Any]:
        """Make a run directory with the frozen rows of `config`, ready to start. Raises Problem where it can't fit."""
        from engine.data.summary import summary
        from engine.model.find import facts
        from engine.runs.create import create

        settings = knobs.from_dict(config)
        if self.rows.dataset is None or self.opened != _about_data(settings):
            mapping = self.open_data(task, config).get("mapping")
            if mapping:
                where = str(mapping["path"])
                what = f"the shape is not known (columns: {', '.join(mapping['columns'][:12])})"
                raise Problem(where, what, "name data.prompt_column and data.answer_column")
        dataset = self.rows.data
        if not dataset.at("train"):
            raise Problem(
                dataset.path,
                "no row is left to train on",
                "see the problems listed for this data",
            )
        folder = self._find(settings.model.name, task)
        if settings.method.name == "lora":
            targets.adapted(settings.method, targets.shapes(folder))
        self.release(task)  # its memory is the run's to have
        _refuse_misfit(settings, {**summary(dataset), "model": facts(folder)})
        run = create(settings, dataset, folder, title)
        return {"id": run.name, "path": str(run), "edits": dataset.edits.overlay.counts}

    def held_out(
        self, task: Task, run: str | None = None, start: int = 0, count: int = MOST_PROMPTS
    ) -> dict[str, Any]:
        """Some held-out rows of a run, or of the data opened last, as prompts with their references: at most
        `most` at once; `total` counts all of them."""
        from engine.data.frozen import frozen_count, frozen_rows

        count = min(count, MOST_PROMPTS)
        rows: list[Row] = []
        total = 0
        if run is not None:
            folder = Path(run) / directory.DATA
            rows, total = frozen_rows(folder, "eval", start, count), frozen_count(folder, "eval")
        elif (dataset := self.rows.dataset) is not None:
            places = self.rows.look_up.places("eval", {})
            rows = [dataset.rows[place] for place in places[start : start + count].tolist()]
            total = len(places)
        return {
            "total": total,
            "most": count,
            "prompts": [
                {
                    "index": place,
                    "number": row.number,
                    "system": row.system or "",
                    "user": row.user_text,
                    "messages": messages_to_json(row.prompt),
                    "tools": row.tools,
                    "raw": row.raw,
                    "reference": row.answer,
                }
                for place, row in enumerate(rows, start=start)
                if row.prompt  # a raw text may ask nothing
            ],
        }

    def answers(
        self, task: Task, prompts: list[dict[str, Any]], sides: list[str], run: str | None = None,
        config: dict[str, Any] | None = None, max_tokens: int = 128,
    ) -> dict[str, Any]:  # fmt: skip
        """Answers of the base and the tuned model to `prompts` (messages, tools, raw: as in
        `Row`), streamed as items."""
        from engine.desk.answering import Answering

        if self.answering is None:
            self.answering = Answering()
        settings = knobs.from_dict(config) if config else Config()
        if run is None:
            self._find(settings.model.name, task)
            source = self.answering.of_model(self.model_folder, settings.runtime, task)
        else:
            source = self.answering.of_run(Path(run), task)
        return source.answer(task, prompts, sides, max_tokens)

    def release(self, task: Task) -> dict[str, Any]:
        """Give the model's memory back, so that a trainer finds it free."""
        if self.answering is not None:
            self.answering.release()
        return {}

    def _tokenizer_of(self, name: str, task: Task) -> Any:
        self._find(name, task)
        return self.tokenizer

    def _find(self, name: str, task: Task) -> Path:
        """The model's folder, with its tokenizer in hand."""
        from engine.model.find import find
        from engine.model.load import load_tokenizer

        folder = find(name, task.progress)
        if folder != self.model_folder:
            task.progress("loading", 0, 0)
            self.tokenizer = load_tokenizer(folder)
            self.model_folder = folder
        return folder


def _refuse_misfit(settings: Config, about: dict[str, Any]) -> None:
    """Raise Problem where the run would not fit in this machine's memory whatever its token budget."""
    from engine import machine
    from engine.train.foresee import foresee

    foreseen = foresee(settings, about, machine.read())
    if foreseen is not None and foreseen.problem is not None:
        raise foreseen.problem


def _about_data(settings: Config) -> dict[str, Any]:
    """The part of a config that decides what the rows, tokens and sides are."""
    tree = settings.to_dict()
    return {"model": tree["model"], "data": tree["data"], "seed": tree["train"]["seed"]}


def _to_map(unknown: Any) -> dict[str, Any]:
    """What the person needs to see to say which column holds what."""
    return {
        "path": unknown.where,
        "mapping": {
            "path": unknown.where,
            "columns": unknown.columns,
            "guess": unknown.guess,
            "rows": unknown.rows,
            "why": str(unknown),
        },
    }
