"""JSON read strictly, with the exact place of what is wrong.

Beyond the grammar this refuses what would lose or change data later: NaN and infinity, numbers too
large to keep, a name given twice, half of a surrogate pair, zero bytes, nesting deeper than 64.
Positions count characters from 0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json import decoder
from typing import Any

DEEPEST = 64
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


@dataclass
class BadJson(Exception):
    """What is wrong with a value, and where; `end` is where the next value could begin, None if
    unknown."""

    position: int
    code: str
    what: str
    fix: str
    end: int | None = None


class _Refused(ValueError):
    """A hook met a value that is not taken; the place is looked for afterwards."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused
    return made


def _constant(_word: str) -> Any:
    raise _Refused


def _integer(digits: str) -> int:
    if len(digits) > 20 or not _SMALLEST <= (number := int(digits)) <= _LARGEST:
        raise _Refused
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Refused
    return number


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_float,
)
_plain = json.JSONDecoder()
_scan_string: Callable[[str, int, bool], tuple[str, int]] = getattr(decoder, "scanstring")  # noqa: B009
_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|-?(?:Infinity|\d[\d.eE+-]*)|NaN|[{}\[\],:]|[^\s{}\[\],:"]+|"', re.DOTALL
)


def skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def parse(text: str, start: int = 0, *, raw_bytes: bool = False) -> tuple[Any, int]:
    """The value at `start` and where it ends. Raises BadJson.

    With `raw_bytes` the text may hold bytes that are not UTF-8, as surrogateescape decodes them.
    """
    try:
        value, end = _decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        bad = _diagnose(text, start, error.pos) or _syntax(text, error)
    except (_Refused, RecursionError, ValueError):
        bad = _diagnose(text, start, len(text)) or BadJson(
            start, "json", "not valid JSON", "mend it"
        )
    else:
        suspect = raw_bytes or text.find("\\u", start, end) >= 0
        deep = text.count("{", start, end) + text.count("[", start, end) > DEEPEST
        if not deep and not (suspect and _unstorable(value)):
            return value, end
        found = _diagnose(text, start, end)
        if found is None:
            return value, end
        found.end = end
        raise found
    bad.end = skip_value(text, start)
    raise bad


def skip_value(text: str, start: int) -> int | None:
    """Where the value at `start` ends; by its brackets alone where it is not valid JSON, and None
    where even they are not closed."""
    try:
        return _plain.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        pass
    depth = 0
    for token in _TOKEN.finditer(text, start):
        mark = token.group()
        if mark in ("{", "["):
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
        elif mark == '"':
            return None
        if depth <= 0:
            return token.end()
    return None


def locate(text: str, start: int, path: tuple[str | int, ...]) -> int:
    """Where the value at `path` begins, or the last value on the way to it. `text` is valid
    there."""
    at = skip_space(text, start)
    for part in path:
        inner = dict(members(text, at)) if text[at : at + 1] == "{" else None
        if inner is None and text[at : at + 1] == "[":
            inner = dict(enumerate(elements(text, at)))
        found = inner.get(part) if inner else None
        if found is None:
            return at
        at = found
    return at


def members(text: str, at: int) -> Iterator[tuple[Any, int]]:
    """The names of the object at `at`, each with where its value begins. Stops at what is not
    JSON."""
    at = skip_space(text, at + 1)
    while text[at : at + 1] == '"':
        named = name_at(text, at)
        if named is None:
            return
        name, at = named
        at = skip_space(text, skip_space(text, at) + 1)
        yield name, at
        end = skip_value(text, at)
        if end is None:
            return
        at = skip_space(text, end)
        if text[at : at + 1] != ",":
            return
        at = skip_space(text, at + 1)


def name_at(text: str, at: int) -> tuple[str, int] | None:
    """The name in quotes at `at` and where it ends; None where it is not closed."""
    try:
        return _scan_string(text, at + 1, True)
    except ValueError:
        return None


def elements(text: str, at: int) -> Iterator[int]:
    """Where each element of the list at `at` begins."""
    at = skip_space(text, at + 1)
    while at < len(text) and text[at] != "]":
        yield at
        end = skip_value(text, at)
        if end is None:
            return
        at = skip_space(text, end)
        if text[at : at + 1] != ",":
            return
        at = skip_space(text, at + 1)


def _unstorable(value: Any) -> bool:
    """Half a surrogate pair or a zero character somewhere inside?"""
    dumped = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in dumped:
        return True
    try:
        dumped.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _syntax(text: str, error: json.JSONDecodeError) -> BadJson:
    """The parser's own words, in ours."""
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        what = (
            "a text is not closed" if error.msg.startswith("Unterm") else "the record is not closed"
        )
        return BadJson(
            error.pos, "json", f"not valid JSON ({what})", "close it, or delete the record"
        )
    said = error.msg[:1].lower() + error.msg[1:]
    if said.startswith("invalid control character"):
        return BadJson(
            error.pos,
            "json",
            "not valid JSON (a line end or control character inside a text)",
            r"write it as \n or \t",
        )
    return BadJson(
        error.pos, "json", f"not valid JSON ({said})", "mend the JSON here, or delete the record"
    )


def _diagnose(text: str, start: int, stop: int) -> BadJson | None:
    """The first thing before `stop` that the grammar allows and we do not; None when there is
    none."""
    names: list[set[str] | None] = []
    expects_name = False
    for token in _TOKEN.finditer(text, start):
        mark, at = token.group(), token.start()
        if at >= stop and mark not in ("NaN", "Infinity", "-Infinity"):
            return None
        if mark in ("{", "["):
            names.append(set() if mark == "{" else None)
            expects_name = mark == "{"
            if len(names) > DEEPEST:
                return BadJson(at, "nesting", f"nested deeper than {DEEPEST}", "flatten the record")
        elif mark in ("}", "]"):
            if names:
                names.pop()
            if not names:
                return None
        elif mark == ",":
            expects_name = bool(names) and names[-1] is not None
        elif mark[0] == '"':
            bad = _bad_string(mark, at, names[-1] if expects_name and names else None)
            expects_name = False
            if bad:
                return bad
        elif bad := _bad_number(mark, at):
            return bad
    return None


def _bad_string(mark: str, at: int, names: set[str] | None) -> BadJson | None:
    try:
        content, _ = _scan_string(mark, 1, False)
    except ValueError:
        return None
    bad = _bad_characters(mark, content, at)
    if bad is None and names is not None:
        if content in names:
            return BadJson(
                at,
                "duplicate_key",
                f'"{content[:60]}" stands twice in one object',
                "keep one of them",
            )
        names.add(content)
    return bad


def _bad_characters(mark: str, content: str, at: int) -> BadJson | None:
    """The first character of a string that cannot be stored as text."""
    place = re.search("[\0\ud800-\udfff]", content)
    if place is None:
        return None
    position = at + _raw_offset(mark, place.start())
    code = ord(place.group())
    if 0xDC80 <= code <= 0xDCFF and mark[position - at] != "\\":
        return BadJson(
            position, "encoding", f"byte {code - 0xDC00:02X} is not UTF-8", "save the file as UTF-8"
        )
    if code == 0:
        return BadJson(
            position, "characters", "a zero character (\\u0000) inside a text", "remove it"
        )
    return BadJson(
        position,
        "characters",
        f"half of a surrogate pair (\\u{code:04x}) inside a text",
        "write the whole character, or remove it",
    )


_PIECE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)


def _raw_offset(mark: str, index: int) -> int:
    """Where the character `index` of a string stands in its quoted form."""
    for count, piece in enumerate(_PIECE.finditer(mark, 1)):
        if count == index:
            return piece.start()
    return 0


def _bad_number(mark: str, at: int) -> BadJson | None:
    if mark in ("NaN", "Infinity", "-Infinity"):
        return BadJson(
            at, "number", f"{mark} is not a number that JSON knows", "write a number, or null"
        )
    if not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", mark):
        return None
    shown = mark if len(mark) <= 24 else f"{mark[:20]}… ({len(mark)} characters)"
    if re.fullmatch(r"-?\d+", mark):
        large = len(mark) > 20 or not _SMALLEST <= int(mark) <= _LARGEST
    else:
        large = math.isinf(float(mark))
    if large:
        return BadJson(
            at, "number", f"the number {shown} is too large", "write it as text in quotes"
        )
    return None
