"""Rows in another language than nearly all others: by script, and by common words for Latin ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.finding import KEPT_DETAILS, Finding
from engine.data.rows import Row

FEWEST_ROWS, AGREEING = 50, 0.95
FEWEST_LETTERS, FEWEST_WORDS, TIMES_THE_USUAL = 20, 5, 3
LONGEST_TEXT = 4000  # characters looked at of one row
UNKNOWN = 0

_SCRIPTS = (
    (0x0041, 0x024F, "Latin"),
    (0x1E00, 0x1EFF, "Latin"),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0530, 0x058F, "Armenian"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x077F, "Arabic"),
    (0x0900, 0x097F, "Devanagari"),
    (0x0980, 0x09FF, "Bengali"),
    (0x0A00, 0x0A7F, "Gurmukhi"),
    (0x0A80, 0x0AFF, "Gujarati"),
    (0x0B80, 0x0BFF, "Tamil"),
    (0x0C00, 0x0C7F, "Telugu"),
    (0x0C80, 0x0CFF, "Kannada"),
    (0x0D00, 0x0D7F, "Malayalam"),
    (0x0D80, 0x0DFF, "Sinhala"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Lao"),
    (0x1000, 0x109F, "Burmese"),
    (0x10A0, 0x10FF, "Georgian"),
    (0x1200, 0x137F, "Ethiopic"),
    (0x1780, 0x17FF, "Khmer"),
    (0x1100, 0x11FF, "Korean"),
    (0xAC00, 0xD7AF, "Korean"),
    (0x3040, 0x30FF, "Japanese"),
    (0x3400, 0x4DBF, "Chinese"),
    (0x4E00, 0x9FFF, "Chinese"),
)
# Common words; those that stand here for two languages are passed over.
_WORDS = {
    "English": "the and are you that with this have from your they what how which their would "
    "should its can been these there when who about",
    "German": "und ist nicht eine mit für auf ich dass werden sind auch oder wird einen dem wie "
    "durch sich einer diese können",
    "French": "les est dans une pour avec sur vous nous pas sont cette être ou mais leur peut aux "
    "ces elle ils",
    "Spanish": "el los las está pero más muy usted hay puede también este esta cómo qué sus según "
    "desde porque",
    "Italian": "che gli della sono nel anche questo alla delle più perché dei essere può come",
    "Portuguese": "não uma em você são também isso ao pela pelo seu sua mais das os como está",
    "Dutch": "het een van niet zijn voor aan ook naar wordt deze maar dat je worden kunnen bij",
    "Polish": "nie jest się dla przez może które oraz jak czy być jako",
    "Swedish": "och att är som inte för ett kan på av med",
    "Danish": "og ikke er af det til jeg med på kan",
    "Finnish": "ja että ovat myös sekä olla joka mutta tai",
    "Hungarian": "és hogy nem egy az van meg ezt vagy",
    "Romanian": "și este pentru sunt care din sau prin mai",
    "Czech": "je že jsou není také který nebo jako pro",
    "Turkish": "bir ve için bu ile olarak daha çok gibi",
    "Indonesian": "yang dan untuk dengan adalah tidak ini dari dalam itu pada",
    "Vietnamese": "và của là các không được những cho một trong",
}
_PAIRS = [(word, name) for name, words in _WORDS.items() for word in words.split()]
_COUNTS = Counter(word for word, _ in _PAIRS)
_LANGUAGE_OF = {word: name for word, name in _PAIRS if _COUNTS[word] == 1}

NAMES = ("", *sorted({name for _, _, name in _SCRIPTS} | set(_WORDS)))
_CODE = {name: code for code, name in enumerate(NAMES)}
_EDGES = np.array(sorted(edge for low, high, _ in _SCRIPTS for edge in (low, high + 1)))
_SCRIPT_AT = np.zeros(len(_EDGES) + 1, np.int64)
for _low, _high, _name in _SCRIPTS:
    _SCRIPT_AT[np.searchsorted(_EDGES, _low, side="right")] = _CODE[_name]


def language_code(row: Row) -> int:
    """The place in `NAMES` of the language or script of a row's last answer and questions."""
    return _CODE[language(f"{row.answer}\n{row.user_text}")]


def other_languages(codes: NDArray[np.integer]) -> list[Finding]:
    """Rows of another language, where at least 50 rows tell theirs and 95 % of these agree."""
    counts = np.bincount(codes, minlength=len(NAMES))
    counts[UNKNOWN] = 0
    usual, told = int(counts.argmax()), int(counts.sum())
    if told < FEWEST_ROWS or counts[usual] < AGREEING * told:
        return []
    rows = np.flatnonzero((codes != usual) & (codes != UNKNOWN)).astype(np.int64)
    detail = {
        at: f"{NAMES[codes[at]]}; nearly all rows are {NAMES[usual]}"
        for at in rows[:KEPT_DETAILS].tolist()
    }
    return [Finding("other_language", rows, "info", detail)] if len(rows) else []


def language(text: str) -> str:
    """The language of a Latin text, the script of another; empty where too little tells it."""
    part = text[:LONGEST_TEXT]
    script = "Latin" if part.isascii() else _script(part)
    return _by_words(part) if script == "Latin" else script


def _script(text: str) -> str:
    """The script of most of the letters; empty where there are fewer than 20 of them."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    found: NDArray[np.int64] = _SCRIPT_AT[np.searchsorted(_EDGES, points, side="right")]
    counts = np.bincount(found, minlength=len(NAMES))
    counts[UNKNOWN] = 0
    if counts[_CODE["Japanese"]] * 10 > counts[_CODE["Chinese"]]:  # Japanese has Han letters too
        counts[_CODE["Japanese"]] += counts[_CODE["Chinese"]]
        counts[_CODE["Chinese"]] = 0
    most = int(counts.argmax())
    if counts[most] < FEWEST_LETTERS or 2 * counts[most] < counts.sum():
        return ""
    return NAMES[most]


def _by_words(text: str) -> str:
    """The language whose common words stand in the text at least three times as often as those of
    any other."""
    counts = Counter(map(_LANGUAGE_OF.get, text.lower().split()))
    counts.pop(None, None)
    ranked = counts.most_common(2)
    if not ranked or ranked[0][1] < FEWEST_WORDS:
        return ""
    if len(ranked) > 1 and ranked[0][1] < TIMES_THE_USUAL * ranked[1][1]:
        return ""
    return ranked[0][0] or ""
