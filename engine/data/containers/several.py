"""Several files of one kind, read one after another as one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from engine.data.containers import columnar, one_file
from engine.data.containers.one_file import Kind
from engine.data.containers.record import Progress, Record, Records
from engine.errors import Problem
from engine.text import clean

SAMPLE = 100
SHOWN = 6
FAMILIES = {"json": "JSON", "jsonl": "JSON", "csv": "a table", "tsv": "a table"}


def shown(files: Sequence[Path] | Sequence[str]) -> str:
    """Names of the first files, fit to be shown."""
    names = ", ".join(clean(Path(file).name, 80, lines=False) for file in files[:SHOWN])
    return names if len(files) <= SHOWN else f"{names} and {len(files) - SHOWN} more"


def name_of(paths: Sequence[str]) -> str:
    """The name of the files as one source."""
    return paths[0] if len(paths) == 1 else ", ".join(paths)


def kinds_of(files: Sequence[str], path: str) -> list[Kind]:
    """What each file is. Raises Problem where one cannot be read, or is of another kind or has
    other fields than the first."""
    kinds = [one_file.kind_of(file) for file in files]
    families = {_family(kind): kind for kind in reversed(kinds)}
    if len(families) > 1:
        found = ", ".join(f"{shown([k.path])} is {name}" for name, k in families.items())
        raise Problem(path, f"files of different kinds: {found}", "name files of one kind")
    _check_names(kinds, path)
    return kinds


def notes_of(kinds: Sequence[Kind]) -> list[str]:
    """The notes of all files, each once; with a count where they are not those of every file."""
    counted: dict[str, int] = {}
    for kind in kinds:
        for note in kind.notes:
            counted[note] = counted.get(note, 0) + 1
    return [
        note if count == len(kinds) else f"{note} (in {count} of {len(kinds)} files)"
        for note, count in counted.items()
    ]


def read(kinds: Sequence[Kind], on_progress: Progress, leave_out: list[str]) -> Records:
    """The records of all files, numbered through; each knows its file and its line there."""
    total = sum(kind.size for kind in kinds)
    number, before = 0, 0
    for kind in kinds:
        told = _part(on_progress, before, kind.size, total)
        with one_file.opened(kind.path, told, leave_out) as (_, records):
            for item in records:
                number += 1
                yield replace(item, number=number, path=kind.path)
        before += kind.size
    on_progress(total, total)


def _part(on_progress: Progress, before: int, size: int, whole: int) -> Progress:
    def told(done: int, total: int) -> None:
        on_progress(before + size * done // max(1, total), whole)

    return told


def _family(kind: Kind) -> str:
    return FAMILIES.get(kind.container, kind.container.capitalize())


@dataclass(frozen=True)
class _Names:
    """Fields that the file's first records have: all of them, and any of them."""

    file: str
    always: frozenset[str]
    ever: frozenset[str]


def _check_names(kinds: Sequence[Kind], path: str) -> None:
    """A field that all records of one file have must be known in the others."""
    found = [names for names in _names(kinds, path) if names.ever]
    differences = [_difference(found[0], names) for names in found[1:]]
    told = [words for words in differences if words]
    if not told:
        return
    more = f"; {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    what = f"the files have different fields: {shown([found[0].file])} has {_list(found[0].ever)}"
    what += "".join(f"; {words}" for words in told[:SHOWN]) + more
    raise Problem(path, what, "name files of one shape, or give them the same fields")


def _names(kinds: Sequence[Kind], path: str) -> list[_Names]:
    first = kinds[0].container
    if first == "parquet" or first == "arrow":
        all_columns = columnar.columns([kind.path for kind in kinds], first, path)
        return [
            _Names(kind.path, frozenset(names), frozenset(names))
            for kind, names in zip(kinds, all_columns, strict=True)
        ]
    return [] if first == "text" else [_sampled(kind) for kind in kinds]


def _sampled(kind: Kind) -> _Names:
    with one_file.opened(kind.path, lambda _done, _total: None, []) as (_, records):
        sample = [set(r.value) for r in islice(records, SAMPLE) if isinstance(r, Record)]
    if not sample:
        return _Names(kind.path, frozenset(), frozenset())
    return _Names(kind.path, frozenset(set.intersection(*sample)), frozenset(set.union(*sample)))


def _difference(first: _Names, other: _Names) -> str:
    lacking, more = first.always - other.ever, other.always - first.ever
    if not lacking and not more:
        return ""
    parts = [f"lacks {_list(lacking)}"] if lacking else []
    parts += [f"has {_list(more)} more"] if more else []
    return f"{shown([other.file])} {' and '.join(parts)}"


def _list(names: frozenset[str]) -> str:
    named = [f'"{clean(name, 40, lines=False)}"' for name in sorted(names)]
    return ", ".join(named[:8]) + (f" and {len(named) - 8} others" if len(named) > 8 else "")
