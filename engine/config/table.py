"""The knobs as a table: what a form, a help page or an error shows of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config.sections import Config
from engine.errors import Problem


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
    several: bool

    @property
    def section(self) -> str:
        return self.path.split(".")[0]


def knobs() -> tuple[Knob, ...]:
    """Every knob in the order of the config file, the first three in front."""
    found = [
        _describe(f"{section}.{name}", info)
        for section, outer in Config.model_fields.items()
        for name, info in fields_of(outer).items()
    ]
    return tuple(sorted(found, key=lambda k: not k.first))


def find_knob(path: str) -> Knob:
    for candidate in knobs():
        if candidate.path == path:
            return candidate
    raise Problem(path, "there is no such knob", did_you_mean(path, [k.path for k in knobs()]))


def fields_of(outer: FieldInfo) -> dict[str, FieldInfo]:
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
        several=_takes_several(info.annotation),
        limits=extra.get("accepts")
        or _limits(info, choices if kind != "switch" else ("false", "true"), int in kinds),
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


def _takes_several(annotation: Any) -> bool:
    """Is a list of values taken too?"""
    return get_origin(annotation) is tuple or any(map(_takes_several, get_args(annotation)))


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
    return f"{low} to {high}" if high else ""


def did_you_mean(name: str, known: list[str]) -> str:
    short = {k.split(".")[-1]: k for k in known}
    near = difflib.get_close_matches(name, known, 1) or difflib.get_close_matches(
        name.split(".")[-1], list(short), 1
    )
    if near:
        return f"did you mean {short.get(near[0], near[0])}?"
    return "choose from " + ", ".join(known)
