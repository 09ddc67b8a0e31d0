"""Every knob, once: type, unit, default, range and words.

The YAML file, `--set`, the form and the docs all read this module and nothing else.
Units stand in `unit`; a value of None means "decided at the start, from the data or the method".
"""

from __future__ import annotations

import difflib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from engine.errors import Problem

ADAPTER_RATE = 2e-4
FULL_RATE = 2e-5
STARTER = "smollm2-135m"
MAX_FILE_BYTES = 1_000_000


def knob(
    default: Any,
    title: str,
    words: str,
    *,
    unit: str = "",
    usual: str = "",
    first: bool = False,
    empty: str = "",
    **limits: Any,
) -> Any:
    """A field with all that a form needs. `usual` is the range most runs use; `empty` says what None means."""
    extra: dict[str, Any] = {"unit": unit, "usual": usual, "first": first, "empty": empty}
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


class Data(Section):
    path: str | None = knob(
        None, "data", "The file, folder or hub id to learn from.", empty="the sample data"
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
    rslora: bool = knob(False, "rsLoRA", "Scale by alpha / sqrt(rank): steadier at high ranks.")
    dora: bool = knob(
        False, "DoRA", "Train the length of each weight row too: a little better, slower."
    )


class Train(Section):
    learning_rate: float | None = knob(
        None,
        "learning rate",
        "The size of a step. Too high: the loss jumps or climbs; too low: nothing is learned.",
        usual="1e-5 to 5e-4",
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
        plain = Config()
        return {k.path: self.get(k.path) for k in knobs() if self.get(k.path) != plain.get(k.path)}


# ---------------------------------------------------------------- the table of knobs


@dataclass(frozen=True)
class Knob:
    """One knob as a form, a help page or an error shows it."""

    path: str
    title: str
    words: str
    unit: str
    usual: str
    empty: str
    first: bool
    default: Any
    choices: tuple[str, ...]
    kind: Literal["text", "integer", "number", "choice", "switch"]
    limits: str

    @property
    def section(self) -> str:
        return self.path.split(".")[0]


def knobs() -> tuple[Knob, ...]:
    """Every knob in the order of the config file, the first three in front."""
    found = [
        _describe(f"{section}.{name}", info)
        for section, outer in Config.model_fields.items()
        for name, info in _fields(outer).items()
    ]
    return tuple(sorted(found, key=lambda k: not k.first))


def find_knob(path: str) -> Knob:
    for candidate in knobs():
        if candidate.path == path:
            return candidate
    raise Problem(path, "there is no such knob", _did_you_mean(path, [k.path for k in knobs()]))


def _fields(outer: FieldInfo) -> dict[str, FieldInfo]:
    section = outer.annotation
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    return section.model_fields


def _describe(path: str, info: FieldInfo) -> Knob:
    extra: dict[str, Any] = (
        info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    )
    kinds = list(_plain_types(info.annotation))
    choices = tuple(c for c in kinds if isinstance(c, str))
    kind: Literal["text", "integer", "number", "choice", "switch"]
    if bool in kinds:
        kind, choices = "switch", ("false", "true")
    elif choices and int not in kinds:
        kind = "choice"
    elif float in kinds:
        kind = "number"
    elif int in kinds and not choices:
        kind = "integer"
    else:
        kind = "text"
    return Knob(
        path=path,
        title=info.title or path,
        words=info.description or "",
        unit=extra.get("unit", ""),
        usual=extra.get("usual", ""),
        empty=extra.get("empty", ""),
        first=extra.get("first", False),
        default=info.default,
        choices=choices,
        kind=kind,
        limits=_limits(info, choices if kind != "switch" else ("false", "true"), int in kinds),
    )


def _plain_types(annotation: Any) -> Iterator[Any]:
    """The types and literal values inside an annotation, None left out."""
    origin = get_origin(annotation)
    if origin is Literal:
        yield from get_args(annotation)
    elif origin is Annotated:
        yield from _plain_types(get_args(annotation)[0])
    elif get_args(annotation):
        for part in get_args(annotation):
            yield from _plain_types(part)
    elif annotation is not type(None):
        yield annotation


def _limits(info: FieldInfo, choices: tuple[str, ...], counted: bool) -> str:
    """The range in words, as an error names it."""
    if choices:
        return ", ".join(choices) + (" or a number of updates" if counted else "")
    low = high = ""
    for rule in info.metadata:
        if getattr(rule, "ge", None) is not None:
            low = f"{rule.ge:g}" if not isinstance(rule.ge, int) else str(rule.ge)
        if getattr(rule, "gt", None) is not None:
            low = f"above {rule.gt:g}"
        if getattr(rule, "le", None) is not None:
            high = f"{rule.le:g}" if not isinstance(rule.le, int) else str(rule.le)
        if getattr(rule, "pattern", None):
            return "auto, cpu, mps, cuda or cuda:N"
    return f"{low} to {high}" if high else ""


# ---------------------------------------------------------------- reading and writing


def parse_value(text: str) -> Any:
    """What a person typed, read as YAML reads it: `1e-4` is a number, `true` a switch, nothing is None."""
    import ruamel.yaml

    if not text.strip():
        return None
    try:
        return ruamel.yaml.YAML(typ="safe", pure=True).load(text)
    except ruamel.yaml.error.YAMLError:
        return text


def with_value(config: Config, path: str, value: Any) -> Config:
    """The config with one knob set; a Problem names the knob, its range and what was given."""
    knob_ = find_knob(path)
    section, name = path.split(".")
    if knob_.kind == "text" and isinstance(value, (int, float)) and path != "eval.every":
        value = str(value)
    tree = config.model_dump()
    tree[section][name] = value
    return _checked(tree, where="")


def with_settings(config: Config, settings: list[str]) -> Config:
    """Apply `--set` words: each `section.knob=value`."""
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise Problem(f"--set {setting}", "no value is given", f"write --set {path}=VALUE")
        config = with_value(config, path.strip(), parse_value(text))
    return config


def read_yaml(path: Path) -> Any:
    """A YAML file's plain content: no aliases, no tags, at most 1 MB, numbers kept numbers."""
    return _parse_yaml(_read_text(path), str(path))


def load(path: Path) -> Config:
    """Read a config file. Relative data and model paths are taken from the file's folder."""
    tree = read_yaml(path)
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise Problem(
            str(path),
            f"holds a {type(tree).__name__}, not settings",
            "write `section:` and indented `knob: value` lines",
        )
    config = _checked(_named(tree, str(path)), where=str(path))
    return _anchored(config, path.resolve().parent)


def dump(config: Config) -> str:
    """The config as YAML, the knobs that differ from their defaults and nothing else left to guess."""
    import ruamel.yaml

    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    yaml.dump(config.to_dict(), out)
    return out.getvalue()


def from_dict(tree: dict[str, Any], where: str = "config") -> Config:
    return _checked(_named(tree, where), where=where)


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise Problem(str(path), "there is no such config file", "name a YAML file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Problem(
                str(path),
                "is larger than 1 MB, too large for a config",
                "name a YAML file of settings",
            )
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Problem(
            f"{path}", f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"
        ) from error
    except OSError as error:
        raise Problem(
            str(path), f"cannot be read ({error.strerror})", "check the name and the permissions"
        ) from error


def _parse_yaml(text: str, where: str) -> Any:
    import ruamel.yaml

    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    try:
        for token in yaml.scan(text):
            if isinstance(token, (ruamel.yaml.tokens.AliasToken, ruamel.yaml.tokens.TagToken)):
                mark = token.start_mark
                raise Problem(
                    f"{where}:{mark.line + 1}:{mark.column + 1}",
                    "aliases and tags are not used in a config",
                    "write the value itself",
                )
        return yaml.load(text)
    except ruamel.yaml.error.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        what = (error.problem or "not valid YAML").split("\n")[0]
        raise Problem(
            place, f"not valid YAML ({what})", "write `section:` and indented `knob: value` lines"
        ) from error
    except RecursionError as error:
        raise Problem(
            where, "is nested too deeply", "write `section:` and indented `knob: value` lines"
        ) from error


def _named(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """Refuse names that are no knobs, each with the nearest that is."""
    for section, body in tree.items():
        if section not in Config.model_fields:
            near = [k.path for k in knobs() if k.path.split(".")[1] == section]
            fix = (
                f"write it as {near[0]}"
                if near
                else _did_you_mean(str(section), list(Config.model_fields))
            )
            raise Problem(f"{where}: {section}", "there is no such section", fix)
        if not isinstance(body, dict):
            raise Problem(
                f"{where}: {section}",
                "holds no knobs",
                f"write its knobs on indented lines below `{section}:`",
            )
        names = list(_fields(Config.model_fields[section]))
        for name in body:
            if name not in names:
                raise Problem(
                    f"{where}: {section}.{name}",
                    "there is no such knob",
                    _did_you_mean(str(name), names),
                )
    return tree


def _did_you_mean(name: str, known: list[str]) -> str:
    short = {k.split(".")[-1]: k for k in known}
    near = difflib.get_close_matches(name, known, 1) or difflib.get_close_matches(
        name.split(".")[-1], list(short), 1
    )
    if near:
        return f"did you mean {short.get(near[0], near[0])}?"
    return "choose from " + ", ".join(known)


def _checked(tree: dict[str, Any], where: str) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"][:2])
        place = f"{where}: {path}" if where else path
        try:
            limits = find_knob(path).limits
        except Problem:
            limits = ""
        raise Problem(
            place,
            _said(first["input"], first["msg"]),
            f"give {limits}" if limits else "give a value of that kind",
        ) from error


def _said(value: Any, message: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    shown = str(value) if not isinstance(value, str) else f'"{value}"'
    return f"{shown[:80]} does not do ({message[:1].lower()}{message[1:]})"


def _anchored(config: Config, folder: Path) -> Config:
    """Relative paths in a config file are meant from where the file lies."""
    for path in ("data.path", "data.eval_path", "model.name"):
        value = config.get(path)
        if value and not Path(value).expanduser().is_absolute() and (folder / value).exists():
            config = with_value(config, path, str(folder / value))
    return config
