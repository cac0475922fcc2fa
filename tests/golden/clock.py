"""Simulated time: a queue of actions, and timers on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Clock:
    """Runs actions in the order of their times; equal times run in the order in which they were asked for."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._actions: list[tuple[int, int, Action]] = []
        self._order = count()

    def at(self, time_ns: int, action: Action) -> None:
        heapq.heappush(self._actions, (max(time_ns, self.now_ns), next(self._order), action))

    def after(self, delay_ns: int, action: Action) -> None:
        self.at(self.now_ns + delay_ns, action)

    def run(self, until_ns: int) -> None:
        while self._actions and self._actions[0][0] <= until_ns:
            self.now_ns, _, action = heapq.heappop(self._actions)
            action()


class Timer:
    """Fires once after it was set, unless it is set anew or stopped before."""

    def __init__(self, clock: Clock, action: Action) -> None:
        self._clock = clock
        self._action = action
        self._setting = 0
        self.running = False

    def set(self, delay_ns: int) -> None:
        self.stop()
        self.running = True
        setting = self._setting
        self._clock.after(delay_ns, lambda: self._fire(setting))

    def stop(self) -> None:
        self._setting += 1
        self.running = False

    def _fire(self, setting: int) -> None:
        if setting == self._setting:
            self.running = False
            self._action()
