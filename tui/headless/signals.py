"""Signals while a run is watched: the first stops and saves it, the second kills it."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

ENDING = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Counts the signals that ask for an end. Before `hold`, each raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.count = 0
        self.first = signal.SIGINT
        self.hung_up = False
        self._held = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        for number in ENDING:
            self._before[number] = signal.signal(number, self._asked)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def hold(self) -> None:
        """From now on only count: a run is going on, and must be told."""
        self._held = True

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM; 129 when the terminal went away."""
        return 128 + (signal.SIGHUP if self.hung_up and not self.count else self.first)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if not self.count:
            self.first = signal.Signals(number)
        self.count += 1
        if not self._held:
            raise KeyboardInterrupt

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self.hung_up = True
        if not self._held:
            raise KeyboardInterrupt
