"""Plain text: paragraphs or lines, and data that hides behind the ending."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.reading import alpaca, read_bytes


@pytest.mark.parametrize("name", ["a.txt", "a.md", "A.TXT"])
def test_paragraphs_are_divided_by_blank_lines(tmp_path: Path, name: str) -> None:
    content = "# Töne\n\n\nOne,\ntwo.\r\n \t\nThree.  \n\n".encode()
    found = read_bytes(tmp_path, content, name)
    assert found.container == "text"
    assert found.values == [{"text": "# Töne"}, {"text": "One,\ntwo."}, {"text": "Three.  "}]
    assert [record.line for record in found.records] == [1, 4, 7]
    assert found.notes == ["plain text: each row is a paragraph, divided by blank lines"]


def test_without_blank_lines_a_row_is_a_line(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"\xef\xbb\xbf\nOne.\nTwo.\nThree.\n\n", "a.txt")
    assert [value["text"] for value in found.values] == ["One.", "Two.", "Three."]
    assert [record.line for record in found.records] == [2, 3, 4]
    assert found.notes == ["plain text: each row is a line"]


@pytest.mark.parametrize(
    "content",
    [
        b"Well, I said\nno, never\nbut, then\nyes, always\n",
        b"[Verse 1]\nLa la\n[Chorus]\nLa\n",
        b"{curly} things\nare fun\n",
        b"Dear Sir or Madam of the house, hello\nDear you, bye\n",
        b"one\n",
    ],
)
def test_prose_is_not_mistaken_for_data(tmp_path: Path, content: bytes) -> None:
    found = read_bytes(tmp_path, content, "a.txt")
    assert [value["text"] for value in found.values] == content.decode().splitlines()


@pytest.mark.parametrize(
    ("content", "container"),
    [
        ("".join(json.dumps(row) + "\n" for row in alpaca(3)), "jsonl"),
        (json.dumps(alpaca(3), indent=1), "json"),
        (json.dumps(alpaca(3)), "json"),
        ("instruction,output\n" + 'a,"b, c"\nd,e\n' * 3, "csv"),
        ("instruction\toutput\na\tb\nc\td\n", "tsv"),
    ],
)
def test_data_named_as_text_is_read_as_data(tmp_path: Path, content: str, container: str) -> None:
    assert read_bytes(tmp_path, content.encode(), "a.txt").container == container


def test_a_markdown_table_stays_text(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"name|age\n---|---\nBo|4\n", "a.md")
    assert found.container == "text"


def test_bad_bytes_zero_characters_and_giants_are_faults(tmp_path: Path) -> None:
    giant = b"x" * (17 * 2**20)
    content = (
        b"good\n\nca\xe9\nf\n\nz\0\n\n" + giant + b"\n\n" + b"y y\n" * (5 * 2**20) + b"\nend\n"
    )
    found = read_bytes(tmp_path, content, "a.txt")
    assert found.places == [
        (3, 3, "encoding"),
        (6, 2, "characters"),
        (8, 1, "too_long"),
        (10, 1, "too_long"),
    ]
    assert [record.value["text"] for record in found.records] == ["good", "end"]
    assert [record.number for record in found.records] == [1, 6]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1)
            .map(lambda line: "w" + line + "w"),
            min_size=1,
        ),
        min_size=2,
        max_size=6,
    )
)  # fmt: skip
def test_paragraphs_come_back_as_written(tmp_path: Path, paragraphs: list[list[str]]) -> None:
    texts = ["\n".join(lines) for lines in paragraphs]
    found = read_bytes(tmp_path, "\n\n".join(texts).encode(), "a.md")
    assert [value["text"] for value in found.values] == texts
