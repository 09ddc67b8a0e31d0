"""Broken, lost and hidden characters, special tokens, blank answers: what is found, what is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.checks.characters import Marks, without_controls
from engine.data.checks.finding import Finding
from engine.data.checks.mojibake import broken, mended
from engine.data.checks.scans import BITS, Scans
from engine.data.rows import Message, Row


def row(answer: str, question: str = "What?") -> Row:
    return Row(1, 1, (Message("user", question), Message("assistant", answer)))


def looked(rows: list[Row], special: tuple[str, ...] = ()) -> dict[str, Finding]:
    scans = Scans(special)
    flags = np.array([scans.flags(each) for each in rows])
    found = scans.findings(rows, flags)
    return {finding.code: finding for finding in found if finding.code != "blank_answer"}


def misread(text: str, encoding: str, times: int = 1) -> str:
    """UTF-8 read in another encoding; bytes it has no letter for are read as Latin-1, as browsers
    do."""
    for _ in range(times):
        text = "".join(
            bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode("utf-8")
        )
    return text


REAL = [
    "café déjà vu naïve",
    "Straße ñandú Ångström Österreich Ö Él À la",
    "don’t — “quote” …",
    "привет мир",
    "你好世界",
    "😀 fine",
    "5 € ≤ 6 ™",
    "20 °C, ½ cup",
    "«¿qué?» ¡no!",
    "a\u00a0b",
    "λόγος",
]


@pytest.mark.parametrize("text", REAL)
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("times", [1, 2])
def test_misread_text_is_found_and_mended(text: str, encoding: str, times: int) -> None:
    bad = misread(text, encoding, times)
    assert bad != text
    assert broken(bad)
    assert mended(bad) == text
    assert looked([row("plain"), row(bad)])["mojibake"].rows.tolist() == [1]


@pytest.mark.parametrize(
    "text",
    [
        *REAL,
        "« CAFÉ»",
        "“le café”—then he left",
        "MAÇÃO, NÃO, AMANHÃ…",
        "“MANHÃ” e “AMANHÃ”",
        "CHÂTEAU ÂNGELA ROMÂNIA”",
        "© 2020 ® 10 Å¹",
        "The letter Ã, the letter Â.",
        "dž Đ Ž œuvre Œ",
        "x² + y³ = z¹ ± ½",
    ],
)
def test_real_text_is_left_alone(text: str) -> None:
    assert broken(text) == ""
    assert mended(text) == text
    assert "mojibake" not in looked([row(text)])


@given(st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cc", "Cs"])))
def test_mending_twice_changes_nothing_more(text: str) -> None:
    assert mended(mended(text)) == mended(text)


def test_a_mixed_text_keeps_what_is_right() -> None:
    assert mended("café and cafÃ© – “so”") == "café and café – “so”"


def test_detail_says_what_it_probably_was() -> None:
    detail = looked([row("un cafÃ© noir")])["mojibake"].detail[0]
    assert "Ã©" in detail
    assert "é”" in detail


def test_lost_characters_are_counted_and_never_mended() -> None:
    found = looked([row("fine"), row("caf\ufffd \ufffd")])
    assert list(found) == ["lost_characters"]
    assert found["lost_characters"].rows.tolist() == [1]
    assert "2 in all" in found["lost_characters"].detail[1]


@pytest.mark.parametrize(
    "text", ["a\x00b", "\x1b[31mred", "a\x07", "x\u200by", "\ufeffhi", "a\u202eb"]
)
def test_control_and_hidden_characters(text: str) -> None:
    found = looked([row("fine\n\tcode\r\n"), row(text)])
    assert found["control_characters"].rows.tolist() == [1]
    detail = found["control_characters"].detail[1]
    assert detail.startswith("U+")
    assert not any(ord(letter) < 32 or letter == "\u202e" for letter in detail)
    cleaned = without_controls(text)
    assert "control_characters" not in looked([row(cleaned)])


@pytest.mark.parametrize(
    "text", ["tab\tand\nline\r\n", "नमस्ते क्‍ष", "👩‍💻", "می‌خواهم", "soft\u00adhyphen"]
)
def test_characters_that_texts_need(text: str) -> None:
    assert looked([row(text)]) == {}
    assert without_controls(text) == text


def test_special_tokens_of_the_model_and_of_known_templates() -> None:
    rows = [
        row("a <|my_end|> b"),
        row("<|im_start|>user"),
        row("[INST] hi [/INST]"),
        row("if a <| b |> c: x[i] < y"),
        row("<s>struck</s> and <b>bold</b>"),
        Row(6, 6, (Message("assistant", "<|my_end|>"),), raw=True),
    ]
    assert looked(rows)["special_tokens"].rows.tolist() == [1, 2]
    found = looked(rows, ("<|my_end|>", "<s>", "user", "\n"))["special_tokens"]
    assert found.rows.tolist() == [0, 1, 2, 4]
    assert found.detail[0] == "<|my_end|>"


def test_removing_marks_leaves_none() -> None:
    marks = Marks(("<|end|>",))
    assert marks.removed("a<|end|>b") == "ab"
    assert marks.removed("<|e<|end|>nd|>") == ""
    deep = marks.removed("<|im_" * 500 + "end|>" * 500)
    assert marks.first(deep) == ""
    assert marks.first(marks.removed("<|im_<|im_end|>end|>[INST]")) == ""


def test_blank_answers() -> None:
    scans = Scans()
    calls = '[{"type": "function", "function": {"name": "f", "arguments": {}}}]'
    rows = [
        row(" \n"),
        row("\u200b\u3164"),
        row("0"),
        row("."),
        Row(5, 5, (Message("user", "q"), Message("assistant", "", tool_calls=calls))),
        Row(6, 6, (Message("user", "q"), Message("assistant", "", trained=False),
                   Message("user", "q"), Message("assistant", "a"))),
        Row(7, 7, (Message("assistant", " "), Message("assistant", "text")), raw=True),
        Row(8, 8, (Message("assistant", " "),), raw=True),
    ]  # fmt: skip
    flags = np.array([scans.flags(each) & BITS["blank_answer"] for each in rows])
    (finding,) = scans.findings(rows, flags)
    assert (finding.code, finding.severity) == ("blank_answer", "bad")
    assert finding.rows.tolist() == [0, 1, 7]
