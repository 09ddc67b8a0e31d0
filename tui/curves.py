"""What the loss chart shows of a run, kept small whatever the run's length: series, axis, marks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from engine.runs.history import History, Point

Smoothing = Literal["off", "light", "strong"]
WEIGHTS: dict[Smoothing, float] = {"off": 0.0, "light": 0.8, "strong": 0.95}
HIGHEST = 3.0  # training losses above so many times the highest held-out loss end at the top edge

_BUCKETS = 1024
_Extent = tuple[int, float, int, float]  # step and loss of the lowest point, then of the highest


class Series:
    """Losses over steps, kept as the lowest and the highest of each bucket of steps.

    A point costs O(1). When the buckets are full, pairs of them merge, so that memory is bounded
    and no spike is lost whatever the length of the run.
    """

    def __init__(self, capacity: int = _BUCKETS) -> None:
        self.capacity = capacity
        self.width = 1
        self.low = math.inf
        self.high = -math.inf
        self._buckets: dict[int, _Extent] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, step: int, loss: float) -> None:
        """Take one point in; a loss that is not a finite number leaves no mark."""
        if not math.isfinite(loss):
            return
        while step // self.width >= self.capacity:
            self._merge_pairs()
        self.low, self.high = min(self.low, loss), max(self.high, loss)
        _widen(self._buckets, step // self.width, (step, loss, step, loss))

    def points(self) -> list[tuple[int, float]]:
        """The lowest and the highest of each bucket, in the order of their steps."""
        return [point for key in sorted(self._buckets) for point in _pair(self._buckets[key])]

    def columns(self, count: int, last_step: int) -> list[tuple[int, float]]:
        """The same points thinned to a lowest and a highest for each of `count` columns."""
        if len(self._buckets) <= count:
            return self.points()
        thin: dict[int, _Extent] = {}
        for step, loss in self.points():
            _widen(thin, step * count // (last_step + 1), (step, loss, step, loss))
        return [point for key in sorted(thin) for point in _pair(thin[key])]

    def _merge_pairs(self) -> None:
        merged: dict[int, _Extent] = {}
        for key, bucket in self._buckets.items():
            _widen(merged, key // 2, bucket)
        self._buckets = merged
        self.width *= 2


def _widen(buckets: dict[int, _Extent], key: int, more: _Extent) -> None:
    held = buckets.get(key)
    if held is None:
        buckets[key] = more
        return
    low = more[:2] if more[1] < held[1] else held[:2]
    high = more[2:] if more[3] > held[3] else held[2:]
    buckets[key] = (*low, *high)


def _pair(bucket: _Extent) -> list[tuple[int, float]]:
    low_step, low, high_step, high = bucket
    if (low_step, low) == (high_step, high):
        return [(low_step, low)]
    return sorted([(low_step, low), (high_step, high)])


@dataclass
class Range:
    """The span of the loss axis. It only grows, and in whole ticks: the picture stays still."""

    low: float = math.nan
    high: float = math.nan
    tick: float = 1.0

    @property
    def empty(self) -> bool:
        return math.isnan(self.low)

    def include(self, low: float, high: float) -> None:
        """Grow until `low` and `high` lie inside, with some room beyond the side that grew."""
        if self.empty:
            room = max(high - low, 0.1 * abs(high), 0.01)
            self._snap(low - 0.5 * room, high + 0.1 * room)
        elif low < self.low or high > self.high:
            span = max(high, self.high) - min(low, self.low)
            bottom = low - 0.15 * span if low < self.low else self.low
            top = high + 0.05 * span if high > self.high else self.high
            self._snap(bottom, top)

    def ticks(self, most: int) -> list[float]:
        """From the lowest up: every tick, or every second, third ...: at most `most` of them."""
        first = round(self.low / self.tick)
        count = round(self.high / self.tick) - first
        every = next(n for n in range(1, count + 2) if count // n < max(most, 2))
        return [i * self.tick for i in range(first, first + count + 1, every)]

    def label(self, value: float) -> str:
        digits = max(0, -math.floor(math.log10(self.tick) + 1e-9))
        return f"{value:,.{digits}f}"

    def _snap(self, low: float, high: float) -> None:
        low = max(low, 0.0)
        self.tick = nice((high - low) / 8)
        self.low = math.floor(low / self.tick + 1e-9) * self.tick
        self.high = math.ceil(high / self.tick - 1e-9) * self.tick


def nice(size: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `size`."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= size * (1 - 1e-9))


@dataclass
class Curves:
    """What the chart shows of a run. `update` takes in what is new in a history."""

    smoothing: Smoothing = "off"
    total_steps: int = 0
    baseline: float = math.nan
    best: Point | None = None
    train: Series = field(default_factory=Series)
    held_out: Series = field(default_factory=Series)
    superseded: Series = field(default_factory=Series)
    superseded_held_out: Series = field(default_factory=Series)
    range: Range = field(default_factory=Range)
    _lists: tuple[list[Point], ...] = ()
    _taken: tuple[int, ...] = (0, 0, 0, 0)
    _run: str = ""
    _mean: float = 0.0
    _weight: float = 0.0

    @property
    def empty(self) -> bool:
        return self.range.empty

    @property
    def last_step(self) -> int:
        """The right end of the step axis, at least 1."""
        return max(self.total_steps, 1)

    def update(self, history: History) -> None:
        """Take in the points that came since the last call; after a rewind, all of them again."""
        lists = _lists(history)
        if history.run != self._run:
            self.range, self._run = Range(), history.run
            self.forget()
        elif self._replaced(lists):
            self.forget()
        for series, points, taken in zip(self._series(), lists, self._taken, strict=True):
            for index in range(taken, len(points)):
                self._add(series, points[index])
        self._lists, self._taken = lists, tuple(len(points) for points in lists)
        self.baseline = baseline(history)
        self.best = _best(history)
        last = max((points[-1].step for points in lists if points), default=0)
        self.total_steps = max(history.total_steps, last)
        self._include_all()

    def forget(self) -> None:
        """Drop every point, so that the next update reads the history from its start."""
        self.train, self.held_out = Series(), Series()
        self.superseded, self.superseded_held_out = Series(), Series()
        self._lists, self._taken = (), (0, 0, 0, 0)
        self._mean = self._weight = 0.0

    def _replaced(self, lists: tuple[list[Point], ...]) -> bool:
        """Whether points were set aside, or another measure took the place of the one shown."""
        if not self._lists:
            return False
        moved = [len(points) for points in lists[2:]] != list(self._taken[2:])
        return moved or any(a is not b for a, b in zip(lists, self._lists, strict=True))

    def _series(self) -> tuple[Series, ...]:
        return (self.train, self.held_out, self.superseded, self.superseded_held_out)

    def _add(self, series: Series, point: Point) -> None:
        loss = point.loss
        if series is self.train and self.smoothing != "off" and math.isfinite(loss):
            loss = self._smoothed(loss)
        series.add(point.step, loss)

    def _smoothed(self, loss: float) -> float:
        """An exponential mean, corrected for its start at nothing."""
        keep = WEIGHTS[self.smoothing]
        self._mean = keep * self._mean + (1 - keep) * loss
        self._weight = keep * self._weight + (1 - keep)
        return self._mean / self._weight

    def _include_all(self) -> None:
        held = [s for s in (self.held_out, self.superseded_held_out) if len(s)]
        trained = [s for s in (self.train, self.superseded) if len(s)]
        if not held and not trained:
            return
        usual = max((s.high for s in held), default=0.0) or _middle(trained)
        low = min(s.low for s in held + trained)
        high = max([usual, *(min(s.high, HIGHEST * usual) for s in trained)])
        self.range.include(low, high)


def _middle(trained: list[Series]) -> float:
    """Where nothing is held out: a training loss that no spike can move."""
    losses = sorted(loss for series in trained for _, loss in series.points())
    return losses[len(losses) // 2]


def _lists(history: History) -> tuple[list[Point], ...]:
    return (
        history.train,
        history.held_out,
        history.superseded,
        history.superseded_held_out,
    )


def baseline(history: History) -> float:
    """The held-out loss at step 0, by the same measure as the points it is drawn with."""
    first = history.held_out[0] if history.held_out else None
    return first.loss if first is not None and first.step == 0 else history.baseline


def _best(history: History) -> Point | None:
    if not math.isfinite(history.best_loss):
        return None
    return Point(history.best_step, history.best_loss)
