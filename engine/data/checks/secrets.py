"""Keys, tokens and passwords in texts: what a model would learn by heart and tell anyone."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from engine.data.checks.masking import Place, apart

_B64 = r"[A-Za-z0-9_\-]"
_END = r"(?![A-Za-z0-9_\-])"
_START = r"(?<![A-Za-z0-9_\-])"
_FORMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "private key",
        ("PRIVATE KEY",),
        r"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----"
        r"(?=[\s\S]{0,400}?[A-Za-z0-9+/=]{40})"
        r"(?:(?!-----)[\s\S]){60,20000}(?:-----END (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----)?",
    ),
    ("AWS key", ("AKIA", "ASIA"), rf"{_START}A[KS]IA[A-Z0-9]{{16}}{_END}"),
    (
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        rf"gh[pousr]_[A-Za-z0-9]{{36,}}{_END}",
    ),
    ("GitHub token", ("github_pat_",), rf"github_pat_[A-Za-z0-9_]{{50,}}{_END}"),
    ("GitLab token", ("glpat-",), rf"glpat-{_B64}{{20,}}"),
    ("Slack token", ("xox",), rf"xox[abeoprs]-[0-9]{{8,}}-{_B64}{{10,}}"),
    ("Slack webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}"),
    ("API key", ("sk-",), rf"{_START}sk-(?:ant-|proj-|svcacct-|admin-|or-)?{_B64}{{20,}}"),
    ("Google key", ("AIza",), rf"{_START}AIza{_B64}{{35}}{_END}"),
    ("Stripe key", ("k_live_",), r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    ("Hugging Face token", ("hf_",), rf"{_START}hf_[A-Za-z0-9]{{30,}}{_END}"),
    ("npm token", ("npm_",), rf"{_START}npm_[A-Za-z0-9]{{36}}{_END}"),
    ("PyPI token", ("pypi-AgE",), rf"pypi-AgE{_B64}{{50,}}"),
    ("SendGrid key", ("SG.",), rf"{_START}SG\.{_B64}{{16,}}\.{_B64}{{30,}}"),
    ("JWT", ("eyJ",), rf"{_START}eyJ{_B64}{{10,}}\.eyJ{_B64}{{10,}}\.{_B64}{{20,}}"),
    (
        "password",
        ("://",),
        r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{1,60}:([^\s/@:,\"'<>]{6,80})@",
    ),
)
_NAMED = re.compile(
    r"(?:password|passwd|pwd|passphrase|secret|api[_-]?key|access[_-]?key|token)[\"']?"
    r"[ \t]{0,3}(?:=>|:=|[:=])[ \t]{0,3}([\"'`]?)([^\s\"'`,;)<>\]}]{8,120})\1",
    re.IGNORECASE,
)
_NAMES = (
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
)
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|change.?me|your|dummy|redacted|replace|insert|xxx|\*\*\*|\.\.\.|…"
    r"|abcdef|012345|123456|987654|qwerty|p[a@]ssw|secret|test|foobar|(.)\1{4}",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[({\[\\]|^\$|%[({]|^https?:|^[a-z_]\w*(?:\.[a-z_]\w*)+$|::"
    r"|^[a-z]+\d*(?:_[a-z]+\d*)+$",
    re.IGNORECASE,
)
_COMPILED = tuple((kind, re.compile(form)) for kind, _, form in _FORMS)
_HINTS = tuple((hint, at) for at, (_, hints, _) in enumerate(_FORMS) for hint in hints)
LEAST_ENTROPY, LEAST_MIXED = 3.0, 3


def secret_places(text: str) -> list[Place]:
    """Where secrets stand in a text, from left to right. Examples and placeholders are passed
    over: too regular to be drawn at random, or said to be one."""
    found = list[Place]()
    for at in dict.fromkeys([at for hint, at in _HINTS if hint in text]):
        found += _matches(*_COMPILED[at], text)
    lower = text.lower()
    if [name for name in _NAMES if name in lower]:
        found += _named(text)
    return apart(found)


def _matches(kind: str, form: re.Pattern[str], text: str) -> Iterator[Place]:
    for match in form.finditer(text):
        group = match.lastindex or 0
        value = match[group]
        if kind == "private key":
            real = _random(re.sub(r"-----[^-]*-----|\s", "", value)[:200], 4.0)
        elif kind == "JWT":
            real = _is_jwt(value)
        elif kind == "password":
            real = _mixed(value)
        else:
            real = _random(value, LEAST_ENTROPY)
        if real:
            yield Place(kind, *match.span(group))


def _named(text: str) -> Iterator[Place]:
    """Values given to a name such as `password`, where they look drawn at random."""
    for match in _NAMED.finditer(text):
        value = match[2].rstrip(".")
        if _mixed(value) and not _CODE.search(value):
            yield Place("password", match.start(2), match.start(2) + len(value))


def _random(value: str, least: float) -> bool:
    return not _PLACEHOLDER.search(value) and entropy(value) >= least


def _mixed(value: str) -> bool:
    """Like a password that was drawn: letters and digits, and of three kinds or long."""
    kinds = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")
    there = [bool(re.search(kind, value)) for kind in kinds]
    letters_and_digits = (there[0] or there[1]) and there[2]
    varied = sum(there) >= LEAST_MIXED or len(value) >= 20
    return letters_and_digits and varied and _random(value, 2.75)


def _is_jwt(value: str) -> bool:
    head = value.split(".")[0]
    try:
        tree = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(tree, dict) and "alg" in tree


def entropy(text: str) -> float:
    """Bits a character, from how often each stands in the text."""
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values()) if size else 0.0
