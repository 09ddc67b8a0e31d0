"""Configs from YAML, from `--set` and from a form; refused with the place, the range and a did-you-mean."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.config.sections import Config
from engine.config.table import did_you_mean, fields_of, find_knob, knobs
from engine.errors import Problem

_LISTED = re.compile(r"(?=.*[./])[A-Za-z_./][\w./-]*")
"""A text that needs no quotes in a list, and is neither a word nor a number of YAML's."""
MAX_FILE_BYTES = 1_000_000


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


def with_text(config: Config, path: str, text: str) -> Config:
    """The same from what a person typed: numbers and switches read as YAML, text taken word for word."""
    described = find_knob(path)
    if described.several and (given := _list_of(text)):
        return with_value(config, path, given)
    verbatim = described.kind == "text" and not described.choices and bool(text.strip())
    return with_value(config, path, text.strip() if verbatim else parse_value(text))


def as_text(value: Any) -> str:
    """A value that is text or a list of texts as a person writes it: `with_text` reads it back."""
    if not isinstance(value, (list, tuple)):
        return str(value)
    plain = (
        each if _LISTED.fullmatch(each) else json.dumps(each, ensure_ascii=False) for each in value
    )
    return f"[{', '.join(plain)}]"


def with_settings(config: Config, settings: list[str]) -> Config:
    """Apply `--set` words: each `section.knob=value`."""
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise Problem(f"--set {setting}", "no value is given", f"write --set {path}=VALUE")
        config = with_text(config, path.strip(), text)
    return config


def _list_of(text: str) -> list[str]:
    """The texts of a list in brackets; none where it is not one, such as a pattern [ab]*.jsonl."""
    given = parse_value(text) if text.strip().startswith("[") else None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        return []
    return given


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
    """The config as YAML: every knob with its value, nothing left to guess."""
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
                else did_you_mean(str(section), list(Config.model_fields))
            )
            raise Problem(f"{where}: {section}", "there is no such section", fix)
        if not isinstance(body, dict):
            raise Problem(
                f"{where}: {section}",
                "holds no knobs",
                f"write its knobs on indented lines below `{section}:`",
            )
        names = list(fields_of(Config.model_fields[section]))
        for name in body:
            if name not in names:
                raise Problem(
                    f"{where}: {section}.{name}",
                    "there is no such knob",
                    did_you_mean(str(name), names),
                )
    return tree


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
            _said(first["input"], first["type"]),
            f"give {limits}" if limits else "give a value of that kind",
        ) from error


WRONG_KIND = {
    "float": "is not a number", "int": "is not a whole number", "bool": "is neither true nor false",
    "string": "is not text", "literal": "is none of the choices",
    "string_pattern_mismatch": "is none of the choices", "string_too_short": "is empty",
}  # fmt: skip


def _said(value: Any, kind: str) -> str:
    """What is wrong with a value, from pydantic's name of the error (`float_parsing`, `less_than_equal`)."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    shown = str(value)[:80] if not isinstance(value, str) else f'"{value[:80]}"'
    return (
        f"{shown} {WRONG_KIND.get(kind) or WRONG_KIND.get(kind.split('_')[0], 'is out of range')}"
    )


def _anchored(config: Config, folder: Path) -> Config:
    """Relative paths in a config file are meant from where the file lies."""
    for path in ("data.path", "data.eval_path", "model.name"):
        value = config.get(path)
        if isinstance(value, tuple):
            config = with_value(config, path, [_from(folder, each) for each in value])
        elif value:
            config = with_value(config, path, _from(folder, value))
    return config


def _from(folder: Path, value: str) -> str:
    relative = not Path(value).expanduser().is_absolute()
    return str(folder / value) if relative and (folder / value).exists() else value
