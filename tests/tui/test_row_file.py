"""A row as a text file: whatever it holds comes back as it was, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import Problem
from tui import row_file

TEXT = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            ["=== user", "\\=== user", "===", "\\\\===", "# x", "", "a", "\r", "\u2028"]
        )
    ).map("\n".join),
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(row_file.ROLES), "content": TEXT},
    optional={"trained": st.booleans(), "name": st.text()},
)


@given(st.lists(MESSAGE, min_size=1, max_size=6))
@example([{"role": "user", "content": row_file.INTRODUCTION}])
def test_what_is_written_is_read_back_the_same(messages: list[dict[str, Any]]) -> None:
    assert row_file.read(row_file.written(messages), messages) == messages


def test_turns_can_be_added_and_taken_out() -> None:
    was = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "trained": False},
    ]
    text = "=== system\nbe brief\n=== assistant #2\nc\nd\n"
    assert row_file.read(text, was) == [
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "c\nd", "trained": False},
    ]
    assert row_file.read("=== user\nno end", was) == [{"role": "user", "content": "no end"}]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "no turn"),
        ("hello\n=== user\nx\n", 1, "before the first turn"),
        ("=== user\nx\n=== human\ny\n", 3, "names no role"),
        ("=== user\nx\n===\ny\n", 3, "names no role"),
        ("=== user\nx\n===assistant\ny\n", 3, "names no role"),
        ("=== user #7\nx\n", 1, "#7 is no user turn"),
        ("=== user #2\nx\n", 1, "#2 is no user turn"),
    ],
)
def test_what_cannot_be_understood_is_told_by_its_line(text: str, line: int, said: str) -> None:
    was = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "trained": False},
    ]
    with pytest.raises(Problem, match=said) as caught:
        row_file.read(text, was)
    assert caught.value.where == f"the row, line {line}"
