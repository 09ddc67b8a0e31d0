"""Every knob, once: type, unit, default, range and words.

The YAML file, `--set`, the form and the docs all read this module and nothing else.
Units stand in `unit`; a value of None means "decided at the start, from the data or the method".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ADAPTER_RATE = 2e-4
FULL_RATE = 2e-5
STARTER = "smollm2-135m"


def knob(
    default: Any,
    title: str,
    words: str,
    *,
    unit: str = "",
    usual: str = "",
    first: bool = False,
    empty: str = "",
    accepts: str = "",
    **limits: Any,
) -> Any:
    """A field with all that a form needs. `usual` is the range most runs use; `empty` says what None means,
    `accepts` what can be given where a range or a pattern does not say it in words."""
    extra: dict[str, Any] = {
        "unit": unit, "usual": usual, "first": first, "empty": empty, "accepts": accepts,
    }  # fmt: skip
    return Field(default, title=title, description=words, json_schema_extra=extra, **limits)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Model(Section):
    name: str = knob(
        STARTER,
        "model",
        "The model to start from: the starter model, a folder, a GGUF file or a hub id.",
        min_length=1,
    )


Name = Annotated[str, Field(min_length=1)]


class Data(Section):
    path: Name | Annotated[tuple[Name, ...], Field(min_length=1)] | None = knob(
        None,
        "data",
        "The file, folder or hub id to learn from, or a list of files: [a.jsonl, b.jsonl].",
        empty="the sample data",
        accepts="a file, a folder, a hub id, or a list of files",
    )
    eval_path: str | None = knob(
        None,
        "held-out file",
        "A file of its own to hold out; then nothing is split off.",
        empty="split off from the data",
    )
    eval_fraction: float = knob(
        0.1,
        "held out",
        "The share of rows kept from training, to measure on.",
        usual="0.05 to 0.2",
        ge=0.0,
        le=0.5,
    )
    max_length: int | None = knob(
        None,
        "longest row",
        "Longer rows lose their end.",
        unit="tokens",
        usual="256 to 4096",
        empty="from the data, at most 2048",
        ge=16,
        le=1_000_000,
    )
    system: str | None = knob(
        None,
        "system prompt",
        "Put before every row that has none of its own.",
        empty="as in the rows",
    )
    format: str = knob(
        "auto",
        "format",
        "The shape of the rows: auto finds it; the name of one keeps those rows of a mixed file.",
        min_length=1,
    )
    chosen: bool = knob(
        False,
        "train on chosen",
        "Of preference pairs the chosen answer is learned, the rejected one is left out.",
    )
    prompt_column: str | None = knob(
        None, "prompt column", "The column that holds the prompt.", empty="found by name"
    )
    answer_column: str | None = knob(
        None, "answer column", "The column that holds the answer.", empty="found by name"
    )
    system_column: str | None = knob(
        None, "system column", "The column that holds the system prompt.", empty="none, or found"
    )


class Method(Section):
    name: Literal["lora", "full"] = knob(
        "lora",
        "method",
        "lora trains a small adapter beside the weights; full trains every weight.",
    )
    rank: int = knob(
        16, "rank", "The width of the adapter: more can learn more.", usual="4 to 64", ge=1, le=512
    )
    alpha: float = knob(
        32,
        "alpha",
        "How loudly the adapter speaks: its output is scaled by alpha / rank.",
        usual="1x to 2x rank",
        gt=0,
        le=4096,
    )
    dropout: float = knob(
        0.0,
        "dropout",
        "The share of adapter inputs switched off at random.",
        usual="0 to 0.1",
        ge=0.0,
        le=0.9,
    )
    targets: str = knob(
        "all",
        "targets",
        "Which products get adapters: all, attention, mlp, or their names with commas.",
        accepts="all, attention, mlp, or names such as q_proj,v_proj",
        pattern=r"^\w+(\s*,\s*\w+)*$",
    )
    layers: str = knob(
        "all",
        "layers",
        "Which layers get adapters: all, last 8, or numbers from 0 such as 0-7,12.",
        accepts="all, last N, or numbers such as 0-7,12",
        pattern=r"^(all|last [1-9]\d*|\d+(-\d+)?(,\s*\d+(-\d+)?)*)$",
    )
    rslora: bool = knob(False, "rsLoRA", "Scale by alpha / sqrt(rank): steadier at high ranks.")
    dora: bool = knob(
        False, "DoRA", "Train the length of each weight row too: a little better, slower."
    )


class Train(Section):
    learning_rate: float | None = knob(
        None,
        "learning rate",
        "The size of a step. Too high: the loss jumps or climbs; too low: nothing is learned.",
        usual="1e-5 to 1e-3",
        first=True,
        empty="2e-4 for lora, 2e-5 for full",
        gt=0.0,
        le=1.0,
    )
    epochs: float = knob(
        3.0,
        "epochs",
        "Passes over the training rows. Too many: rows are learned by heart.",
        usual="1 to 5",
        first=True,
        gt=0.0,
        le=1000.0,
    )
    batch_size: int = knob(
        16,
        "batch size",
        "Rows behind each update. Larger: steadier, fewer updates.",
        unit="rows",
        usual="4 to 64",
        first=True,
        ge=1,
        le=65536,
    )
    max_steps: int | None = knob(
        None,
        "steps",
        "Stop after so many updates; wins over epochs.",
        unit="updates",
        empty="from the epochs",
        ge=1,
        le=100_000_000,
    )
    schedule: Literal["cosine", "linear", "constant"] = knob(
        "cosine", "schedule", "How the learning rate goes down after the warm-up."
    )
    warmup: float = knob(
        0.03,
        "warm-up",
        "Updates over which the learning rate climbs: below 1 a share of all, from 1 on a count.",
        usual="0 to 0.1",
        ge=0.0,
        le=1_000_000,
    )
    weight_decay: float = knob(
        0.01,
        "weight decay",
        "Pulls trained weights towards zero.",
        usual="0 to 0.1",
        ge=0.0,
        le=1.0,
    )
    max_grad_norm: float = knob(
        1.0,
        "gradient clip",
        "Longer gradients are cut to this norm; 0 never cuts.",
        usual="0.5 to 2",
        ge=0.0,
        le=1e6,
    )
    seed: int = knob(
        42, "seed", "The same seed gives the same split, order and start.", ge=0, le=2**32 - 1
    )
    shuffle: bool = knob(True, "shuffle", "A new order of rows in every epoch.")


class Eval(Section):
    every: Literal["auto", "epoch", "off"] | Annotated[int, Field(ge=1)] = knob(
        "auto",
        "measure every",
        "When the held-out loss is measured: auto (about twelve times), epoch, off, or a number of updates.",
    )
    max_fraction: float = knob(
        0.1,
        "measuring time",
        "Measuring during the run takes at most this share of its time.",
        usual="0.05 to 0.2",
        gt=0.0,
        le=1.0,
    )


class Save(Section):
    keep: int = knob(
        2, "checkpoints", "Newest checkpoints kept beside the best.", usual="1 to 5", ge=1, le=1000
    )


class Runtime(Section):
    device: str = knob(
        "auto",
        "device",
        "auto takes the emptiest GPU, else the CPU; or cpu, cuda:0, cuda:1 and so on.",
        accepts="auto, cpu, mps, cuda or cuda:N",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
    )
    dtype: Literal["auto", "bfloat16", "float32"] = knob(
        "auto", "precision", "auto takes bfloat16 where this machine multiplies faster in it."
    )
    token_budget: int | None = knob(
        None,
        "tokens at once",
        "An update is cut into parts of at most so many tokens; less needs less memory, the mathematics stays.",
        unit="tokens",
        empty="from the memory",
        ge=16,
        le=10_000_000,
    )
    checkpointing: Literal["auto", "off", "on"] = knob(
        "auto",
        "checkpointing",
        "Compute each layer twice to need less memory; auto does so where the longest row would not fit.",
    )


class Compare(Section):
    max_tokens: int = knob(
        128,
        "answer length",
        "Answers stop after so many tokens.",
        unit="tokens",
        usual="64 to 512",
        ge=1,
        le=32768,
    )


class Config(Section):
    """One run's settings, frozen. `Config()` alone is a sensible run on the sample data."""

    model: Model = Model()
    data: Data = Data()
    method: Method = Method()
    train: Train = Train()
    eval: Eval = Eval()
    save: Save = Save()
    runtime: Runtime = Runtime()
    compare: Compare = Compare()

    @property
    def learning_rate(self) -> float:
        """The learning rate at its peak: as set, else the method's own default."""
        if self.train.learning_rate is not None:
            return self.train.learning_rate
        return FULL_RATE if self.method.name == "full" else ADAPTER_RATE

    def get(self, path: str) -> Any:
        section, name = path.split(".")
        return getattr(getattr(self, section), name)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        return self.model_dump(mode="json")

    def changed(self) -> dict[str, Any]:
        """The knobs that differ from their defaults, by path."""
        mine, plain = self.model_dump(), Config().model_dump()
        return {
            f"{section}.{name}": value
            for section, body in mine.items()
            for name, value in body.items()
            if value != plain[section][name]
        }
