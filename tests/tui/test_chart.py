"""The chart's points, axis and cells against plain loops; the widget repaints what changed and no more."""

from __future__ import annotations

import math
import random

import pytest

from engine import events
from engine.runs.history import History, Point
from tui import chart
from tui.chart import View, blank, changed_spans, draw
from tui.curves import Curves, Range, Series

WIDTH, HEIGHT = 60, 14


def a_history(total: int = 50, upto: int = 50, every: int = 10, run: str = "a") -> History:
    """A run that learns: the loss falls from 3 towards 0.6."""
    history = History(run=run, status="training")
    history.step = events.Step(step=upto, total_steps=total)
    for step in range(upto + 1):
        loss = 0.6 + 2.4 * math.exp(-4 * step / total)
        if step:
            history.train.append(Point(step, loss))
        if step % every == 0:
            history.held_out_all.append(Point(step, loss + 0.05))
    return history


def curves_of(history: History) -> Curves:
    curves = Curves()
    curves.update(history)
    return curves


def text_of(picture: tuple[chart.Row, ...]) -> list[str]:
    return ["".join(letter for letter, _ in row) for row in picture]


def cells_of(picture: tuple[chart.Row, ...], role: str) -> list[tuple[int, int, str]]:
    return [
        (x, y, letter)
        for y, row in enumerate(picture)
        for x, (letter, its_role) in enumerate(row)
        if its_role == role and letter != " "
    ]


# ---------------------------------------------------------------- series


@pytest.mark.parametrize("count", [1, 7, 64, 65, 1000, 4097])
def test_series_keeps_the_lowest_and_highest_of_every_bucket(count: int) -> None:
    draws = random.Random(count)
    losses = [draws.choice([1.0, draws.random(), 100 * draws.random()]) for _ in range(count)]
    series = Series(capacity=64)
    for step, loss in enumerate(losses):
        series.add(step, loss)
    expected: list[float] = []
    for start in range(0, count, series.width):
        bucket = losses[start : start + series.width]
        expected += sorted({min(bucket), max(bucket)})
    found = series.points()
    assert sorted(loss for _, loss in found) == sorted(expected)
    assert [step for step, _ in found] == sorted(step for step, _ in found)
    assert all(losses[step] == loss for step, loss in found)
    assert len(series) <= 64


def test_columns_keep_every_spike() -> None:
    series = Series()
    for step in range(1000):
        series.add(step, 50.0 if step == 617 else 1.0 + step / 10_000)
    thin = series.columns(40, 999)
    assert (617, 50.0) in thin
    assert len(thin) <= 80


def test_losses_that_are_no_numbers_leave_no_mark() -> None:
    series = Series()
    for loss in (math.nan, math.inf, -math.inf, 2.0):
        series.add(1, loss)
    assert series.points() == [(1, 2.0)]


# ---------------------------------------------------------------- the loss axis


def test_the_range_only_grows_and_holds_everything() -> None:
    draws = random.Random(3)
    span = Range()
    lows, highs = [math.inf], [-math.inf]
    for _ in range(300):
        low = draws.uniform(0, 5)
        high = low + draws.uniform(0, 5)
        span.include(low, high)
        assert span.low <= low
        assert span.high >= high
        lows.append(span.low)
        highs.append(span.high)
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)
    assert len(set(lows)) < 20, "an axis that moves with every point repaints the whole chart"


def test_ticks_are_round_and_as_many_as_asked() -> None:
    span = Range()
    span.include(0.71, 2.87)
    for most in range(2, 12):
        ticks = span.ticks(most)
        assert 2 <= len(ticks) <= most
        assert all(span.low - 1e-9 <= tick <= span.high + 1e-9 for tick in ticks)
        assert all(abs(tick / span.tick - round(tick / span.tick)) < 1e-6 for tick in ticks)


# ---------------------------------------------------------------- the picture


def test_a_flat_line_is_drawn_in_its_dots() -> None:
    """Against the dots worked out by hand: four dots to a row, two to a column."""
    history = History(run="a", status="training")
    history.step = events.Step(step=40, total_steps=40)
    history.train = [Point(step, 2.0) for step in range(1, 41)]
    curves = curves_of(history)
    picture = draw(curves, WIDTH, HEIGHT)
    span, rows = curves.range, HEIGHT - 2
    dot = math.floor(0.5 + (4 * rows - 1) * (2.0 - span.low) / (span.high - span.low))
    bits = {0: 0x40 | 0x80, 1: 0x04 | 0x20, 2: 0x02 | 0x10, 3: 0x01 | 0x08}[dot % 4]
    found = cells_of(picture, "train")
    assert {y for _, y, _ in found} == {rows - 1 - dot // 4}
    assert {letter for _, _, letter in found[1:]} == {chr(0x2800 + bits)}
    assert max(x for x, _, _ in found) == WIDTH - 1, "step 40 of 40 is the right end"


def test_the_step_axis_stands_still_while_the_run_goes_on() -> None:
    early = draw(curves_of(a_history(upto=5)), WIDTH, HEIGHT)
    late = draw(curves_of(a_history(upto=50)), WIDTH, HEIGHT)
    assert text_of(early)[-1] == text_of(late)[-1]
    assert "50 steps" in text_of(late)[-1]


def test_marks_for_held_out_baseline_and_best() -> None:
    history = a_history()
    history.best_step, history.best_loss = 50, history.held_out[-1].loss
    picture = draw(curves_of(history), WIDTH, HEIGHT)
    text = "\n".join(text_of(picture))
    assert f"base {history.baseline:.2f}" in text
    assert [letter for _, _, letter in cells_of(picture, "best")] == ["●"]
    assert len(cells_of(picture, "held_out")) == 5, "six looks, the last one under the best mark"
    x, _, _ = cells_of(picture, "best")[0]
    assert x == WIDTH - 1


def test_a_spike_ends_at_the_top_and_does_not_flatten_the_rest() -> None:
    history = a_history()
    history.train[20] = Point(21, 1e9)
    curves = curves_of(history)
    picture = draw(curves, WIDTH, HEIGHT)
    assert curves.range.high < 20
    assert (chart.OFF_MARK in text_of(picture)[0]) is True


def test_points_of_an_earlier_attempt_are_set_apart() -> None:
    history = a_history(upto=30)
    curves = curves_of(history)
    history._set_aside_after(10)
    curves.update(history)
    picture = draw(curves, WIDTH, HEIGHT)
    old, new = cells_of(picture, "superseded"), cells_of(picture, "train")
    assert old
    assert new
    assert max(x for x, _, _ in new) <= min(x for x, _, letter in old if letter == "◌")
    assert {letter for _, _, letter in old} <= {chart.OLD_TRAIN_MARK, chart.OLD_HELD_OUT_MARK}


def test_updating_bit_by_bit_is_the_same_as_all_at_once() -> None:
    whole = a_history()
    bit_by_bit, history = Curves(), History(run="a", status="training", step=whole.step)
    for point in whole.held_out_all:
        history.held_out_all.append(point)
        bit_by_bit.update(history)
    for point in whole.train:
        history.train.append(point)
        bit_by_bit.update(history)
    at_once = curves_of(whole)
    assert bit_by_bit.train.points() == at_once.train.points()
    assert bit_by_bit.held_out.points() == at_once.held_out.points()


def test_smoothing_is_the_corrected_mean() -> None:
    history = History(run="a", status="training", step=events.Step(step=3, total_steps=3))
    history.train = [Point(1, 4.0), Point(2, 2.0), Point(3, 3.0)]
    curves = Curves(smoothing="light")
    curves.update(history)
    keep = 0.8
    expected = []
    for n in range(1, 4):
        weights = [keep ** (n - i) for i in range(1, n + 1)]
        losses = [4.0, 2.0, 3.0][:n]
        expected.append(sum(w * x for w, x in zip(weights, losses, strict=True)) / sum(weights))
    assert [loss for _, loss in curves.train.points()] == pytest.approx(expected)


@pytest.mark.parametrize("log", [False, True])
def test_any_size_and_any_losses_can_be_drawn(log: bool) -> None:
    history = a_history()
    history.train += [Point(51, math.nan), Point(52, math.inf), Point(53, 0.0), Point(54, 1e12)]
    curves = curves_of(history)
    for width in (0, 1, 23, 24, 25, 40, 200):
        for height in (0, 1, 4, 5, 6, 30):
            picture = draw(curves, width, height, View(log=log, cursor=7))
            assert [len(row) for row in picture] == [width] * height


def test_nothing_to_draw_is_blank() -> None:
    assert draw(Curves(), 40, 10) == blank(40, 10)


# ---------------------------------------------------------------- what is repainted


def test_changed_spans_cover_every_difference_and_little_else() -> None:
    draws = random.Random(5)
    roles = chart.ROLES[:3]
    for _ in range(200):
        old = tuple(
            tuple((draws.choice("ab"), draws.choice(roles)) for _ in range(30)) for _ in range(3)
        )
        new = tuple(
            tuple(
                (draws.choice("abc"), role) if draws.random() < 0.1 else (c, role)
                for c, role in row
            )
            for row in old
        )
        differing = {(x, y) for y in range(3) for x in range(30) if old[y][x] != new[y][x]}
        spans = changed_spans(old, new)
        covered = {(x, y) for y, first, end in spans for x in range(first, end)}
        assert differing <= covered
        for y, first, end in spans:
            assert (first, y) in differing
            assert (end - 1, y) in differing
        assert len(covered) <= 3 * len(differing)


async def test_the_widget_paints_only_the_cells_that_changed() -> None:
    from tests.tui.panes import PaneApp
    from tui.widgets.chart import LossChart

    widget = LossChart()
    app = PaneApp(widget)
    painted: list[int] = []
    async with app.run_test(size=(120, 40)) as pilot:
        history = a_history(total=200, upto=100)
        history.seq = 1
        widget.show(history)
        await pilot.pause()
        before = widget.picture
        assert widget.draws == 2, "once for its size, once for the points"
        history.train.append(Point(101, 0.9))
        history.seq = 2
        widget.curves.update(history)
        after = draw(widget.curves, *widget.size, widget.view)
        differing = sum(
            a != b for r, s in zip(before, after, strict=True) for a, b in zip(r, s, strict=True)
        )
        painted.append(widget.show_rows(after))
        assert 0 < differing <= 4
        assert differing <= painted[0] <= 3 * differing
        assert widget.show_rows(after) == 0


async def test_the_widget_draws_once_a_second_and_not_while_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.tui.panes import PaneApp
    from tui.widgets import chart as module
    from tui.widgets.chart import LossChart

    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    widget = LossChart()
    async with PaneApp(widget).run_test(size=(80, 24)) as pilot:
        history = a_history(upto=10)
        now[0] += 5
        for seq in range(20):
            history.seq = seq
            widget.show(history)
        drawn = widget.draws
        assert drawn == 2, "once for its size, once for twenty updates"
        widget.display = False
        await pilot.pause()
        now[0] += 5
        history.seq = 99
        widget.show(history)
        await pilot.pause()
        assert widget.draws == drawn
        widget.display = True
        await pilot.pause()
        assert widget.draws > drawn
