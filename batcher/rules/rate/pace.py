"""The pace: turns to send, evenly spaced at a rate that may change while callers wait. Pure arithmetic; never sleeps.

Turns are numbered, and the rate decides how many have come by now. So a changed rate holds for everybody who waits.
"""

from __future__ import annotations

from math import inf

IDLE = 0.01
"""Seconds by which a turn must lie unused before the pace counts as idle: less is the event loop's lateness."""

PRESSED_AFTER = 0.25
"""Seconds after which an idle moment is forgotten."""

SHORT = 0.1
"""Up to so many seconds ahead a turn is told exactly."""

LONGEST = 1.0
"""No caller is told to wait longer than so many seconds before it asks again."""

_NEVER = -inf


class Pace:
    """Turns at `rate` a second: no burst at the start, none after a pause, none saved up."""

    __slots__ = ("_come", "_idle_at", "_last", "_since", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._last = -1.0
        """The number of the last turn that was taken."""
        self._come = 0.0
        """The number of the turn that has come at `_since`; after it, turns come at the rate."""
        self._since = _NEVER
        self._idle_at = _NEVER

    def turn(self, now: float) -> tuple[float, float]:
        """Take the next turn at `now`, in seconds of any steady clock. Give its number, and what `wait` says of it."""
        turn, come, since, rate = self._last + 1, self._come, self._since, self.rate
        if since == _NEVER:
            self._since = since = now
        is_held = now < since
        if not is_held:
            come += rate * (now - since)
        if come > turn:
            if come > turn + rate * IDLE:
                self._idle_at = now
            turn = come
        self._last = turn
        return turn, self.wait(turn, now) if is_held or turn > come else 0.0

    def wait(self, turn: float, now: float) -> float:
        """Give the seconds to wait before asking again; 0.0 when the turn has come.

        A turn far ahead is approached by halves, so that callers who wait notice a new rate, each at its own time.
        """
        wait = self._since - now
        if turn > self._come:
            wait += (turn - self._come) / self.rate
        if wait <= SHORT:
            # A wait that the clock cannot resolve would be asked for again and again.
            return wait if wait > 1e-6 else 0.0  # noqa: PLR2004 - a microsecond
        return min(max(SHORT, wait / 2), LONGEST)

    def change(self, now: float, rate: float) -> None:
        """Go on at another rate, also for those who wait."""
        if now > self._since:
            # Before the first turn is taken none has come.
            self._come += self.rate * (now - self._since) if self._since > _NEVER else 0.0
            self._since = now
        self.rate = rate

    def hold(self, now: float, until: float) -> float:
        """Let no turn come before `until`, not even one that has come already. Give the seconds that this adds."""
        longer = until - max(now, self._since)
        if longer <= 0:
            return 0.0
        self.change(now, self.rate)
        self._since = until
        return longer

    def is_held(self, now: float) -> bool:
        """Tell whether no turn comes yet."""
        return now < self._since

    def is_pressed(self, now: float) -> bool:
        """Tell whether callers wait for their turns: whether it is the pace that keeps the rate down."""
        return self._last >= self._come + self.rate * (now - self._since) and now >= self._idle_at + PRESSED_AFTER
