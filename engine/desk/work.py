"""What the desk can do, one method a call. Arguments and results are plain JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import config as knobs
from engine.config import Config
from engine.data.rows import messages_to_json
from engine.errors import Problem
from engine.runs import directory

if TYPE_CHECKING:
    from engine.data.dataset import Dataset
    from engine.desk.answering import Answering
    from engine.desk.process import Task

MOST_ROWS = 500


class Work:
    """Holds the data opened last and the model that answers; `calls` are the names an app may use."""

    def __init__(self) -> None:
        self.dataset: Dataset | None = None
        self.opened: dict[str, Any] = {}
        self.tokenizer: Any = None
        self.model_folder: Path | None = None
        self.answering: Answering | None = None
        self.calls = {
            "open_data": self.open_data,
            "rows": self.rows,
            "prepare": self.prepare,
            "held_out": self.held_out,
            "answers": self.answers,
            "release": self.release,
        }

    def open_data(self, task: Task, config: dict[str, Any]) -> dict[str, Any]:
        """Find the model, read, split and tokenise the data; its summary, with the model's facts."""
        from engine.data.dataset import open_data, summary
        from engine.data.read import check_source
        from engine.model.find import facts

        settings = knobs.from_dict(config)
        if settings.runtime.device.startswith("cuda"):
            from engine.model.load import pick_device

            pick_device(settings.runtime.device)  # refused here, before anything is made
        for path in (settings.data.path, settings.data.eval_path):
            if path:
                check_source(path)
        folder = self._find(settings.model.name, task)
        self.dataset = open_data(settings, self.tokenizer, task.progress)
        self.opened = _about_data(settings)
        return {**summary(self.dataset), "model": {**facts(folder), "name": settings.model.name}}

    def rows(self, task: Task, start: int, count: int, side: str | None = None) -> dict[str, Any]:
        """Rows of the data opened last as the model will see them."""
        from engine.data.dataset import row_view

        dataset = self.dataset
        if dataset is None:
            raise Problem(
                "data",
                "the helping process was started afresh and holds no rows",
                "open the data again",
            )
        places = [i for i, s in enumerate(dataset.sides) if side is None or s == side]
        wanted = places[max(0, start) : max(0, start) + min(count, MOST_ROWS)]
        return {"rows": [row_view(dataset, place) for place in wanted], "total": len(places)}

    def prepare(self, task: Task, config: dict[str, Any], title: str = "") -> dict[str, Any]:
        """Make a run directory with the frozen rows of `config`, ready to start."""
        from engine.runs.create import create

        settings = knobs.from_dict(config)
        if self.dataset is None or self.opened != _about_data(settings):
            self.open_data(task, config)
        assert self.dataset is not None
        if not self.dataset.at("train"):
            raise Problem(
                self.dataset.path,
                "no row is left to train on",
                "see the problems listed for this data",
            )
        folder = self._find(settings.model.name, task)
        run = create(settings, self.dataset, folder, title)
        return {"id": run.name, "path": str(run)}

    def held_out(self, task: Task, run: str | None = None) -> dict[str, Any]:
        """The held-out rows of a run, or of the data opened last, as prompts with their references."""
        from engine.data.frozen import frozen_rows

        if run is not None:
            rows = frozen_rows(Path(run) / directory.DATA, "eval")
        elif self.dataset is not None:
            rows = [self.dataset.rows[place] for place in self.dataset.at("eval")]
        else:
            rows = []
        return {
            "prompts": [
                {
                    "index": place,
                    "number": row.number,
                    "system": row.system or "",
                    "user": row.user_text,
                    "messages": messages_to_json(row.messages[:-1]),
                    "reference": row.answer,
                }
                for place, row in enumerate(rows)
            ]
        }

    def answers(
        self, task: Task, prompts: list[dict[str, Any]], sides: list[str], run: str | None = None,
        config: dict[str, Any] | None = None, max_tokens: int = 128,
    ) -> dict[str, Any]:  # fmt: skip
        """Answers of the base and the tuned model to `prompts`, streamed as items."""
        from engine.desk.answering import Answering

        if self.answering is None:
            self.answering = Answering()
        settings = knobs.from_dict(config) if config else Config()
        if run is None:
            self._find(settings.model.name, task)
            source = self.answering.of_model(self.model_folder, settings.runtime, task)
        else:
            source = self.answering.of_run(Path(run), task)
        return source.answer(task, [p["messages"] for p in prompts], sides, max_tokens)

    def release(self, task: Task) -> dict[str, Any]:
        """Give the model's memory back, so that a trainer finds it free."""
        if self.answering is not None:
            self.answering.release()
        return {}

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


def _about_data(settings: Config) -> dict[str, Any]:
    """The part of a config that decides what the rows, tokens and sides are."""
    tree = settings.to_dict()
    return {"model": tree["model"], "data": tree["data"], "seed": tree["train"]["seed"]}
