"""The histogram of lengths: as wide as it may be, its marks in place, the maximum a line of its own."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fake_desk import SUMMARY, FakeDesk
from tests.tui.opened import NARROW, opened
from tui import histogram


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=24),
    st.integers(1, 3_000),
    st.integers(30, 120),
    st.integers(1, 3),
)
def test_bars_and_marks_stay_within_the_width(
    counts: list[int], maximum: int, width: int, height: int
) -> None:
    edges = [10 * n for n in range(len(counts) + 1)]
    tokens = {"p50": 12, "p95": edges[-1] - 1, "p99": edges[-1], "max": edges[-1]}
    summary = {
        "histogram": {"edges": edges, "counts": counts},
        "tokens": tokens,
        "max_length": maximum,
    }
    lines = histogram.draw(summary, width, height).plain.split("\n")[1:]
    assert all(len(line) <= width for line in lines)
    bars, marks = lines[:height], "\n".join(lines[height:])
    assert len({line.index("│") for line in bars}) == 1
    for words in ("p50", "12", "p95", f"{tokens['p95']:,}", "p99", f"at most {maximum:,}"):
        assert words in marks
    cells = max(1, min(4, (width - 2) // len(counts)))
    for place, count in enumerate(counts):
        at = cells * place
        at += at >= bars[0].index("│")
        assert (bars[-1][at] != " ") == (count > 0)
        if count == max(counts) > 0:
            assert all(line[at] == "█" for line in bars)


def test_the_maximum_stands_where_rows_begin_to_be_cut() -> None:
    summary: dict[str, Any] = {
        "histogram": {"edges": [0, 10, 20, 30, 40], "counts": [1, 1, 1, 1]},
        "tokens": {"p50": 20},
        "max_length": 20,
    }
    bar = histogram.draw(summary, 60, 1).plain.split("\n")[1]
    assert bar == "████████│████████"


async def test_without_a_histogram_the_facts_stay() -> None:
    told = {key: value for key, value in SUMMARY.items() if key != "histogram"}
    async with opened(NARROW, FakeDesk(summary=told)) as bench:
        before = bench.text()
        await bench.press("v")
        assert "learned 8,123 of 20,120" in bench.text()
        assert "v shows all" not in before


async def test_a_pane_with_room_shows_both() -> None:
    async with opened((120, 40)) as bench:
        await bench.press("z")
        for words in ("learned 8,123", "tallest bar 61 rows", "at most 256"):
            assert words in bench.text()
        await bench.press("v")
        assert "tallest bar" not in bench.text()
