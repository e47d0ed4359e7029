"""Turns to send, evenly spaced at a rate that may change while callers wait. Pure arithmetic; it never sleeps.

Turns are numbered, and the rate decides how many are due by now. A new rate therefore applies to all waiting callers.
"""

from __future__ import annotations

from math import inf

IDLE = 0.01
"""Seconds that a turn must stay unused before the pace counts as idle. Less is the lateness of the event loop."""

PRESSED_AFTER = 0.25
"""Seconds after which an idle moment no longer counts."""

SHORT = 0.1
"""Up to this many seconds ahead, the wait for a turn is exact."""

LONGEST = 1.0
"""The longest wait in seconds before a caller has to ask again."""

LONGEST_HOLD = 60.0
"""The longest pause in seconds that a `Retry-After` can cause."""

_NEVER = -inf


class Pace:
    """Turns at `rate` per second: no burst at the start or after a pause, and unused turns are not saved."""

    __slots__ = ("_come", "_has_waited", "_idle_at", "_last", "_since", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._last = -1.0
        """The number of the last turn taken."""
        self._come = 0.0
        """The number of the turn that was due at `_since`; later turns are due at the rate."""
        self._since = _NEVER
        self._idle_at = _NEVER
        self._has_waited = False
        """Whether the last turn taken was not due yet."""

    def turn(self, now: float) -> tuple[float, float]:
        """Take the next turn at `now`, in seconds of any steady clock. Return its number and its `wait`."""
        self.take(now, inf)
        return self._last, self.wait(self._last, now) if self._has_waited else 0.0

    def take(self, now: float, early: float) -> bool:
        """Take the next turn if `now` is at most `early` seconds before it is due. Return whether it was taken."""
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
        has_waited = is_held or turn > come
        if has_waited and self.wait(turn, now) > early:
            return False
        self._last, self._has_waited = turn, has_waited
        return True

    def wait(self, turn: float, now: float) -> float:
        """Return the seconds to wait before asking again; 0.0 when the turn is due.

        The wait for a distant turn is halved each time, so that waiting callers notice a new rate at different times.
        """
        wait = self._since - now
        if turn > self._come:
            wait += (turn - self._come) / self.rate
        if wait <= SHORT:
            # The clock cannot resolve a wait this short: the caller would ask again and again.
            return wait if wait > 1e-6 else 0.0  # noqa: PLR2004 - a microsecond
        return min(max(SHORT, wait / 2), LONGEST)

    def change(self, now: float, rate: float) -> None:
        """Set another rate, also for callers that already wait."""
        if now > self._since:
            # No turn is due before the first one is taken.
            self._come += self.rate * (now - self._since) if self._since > _NEVER else 0.0
            self._since = now
        self.rate = rate

    def hold(self, now: float, until: float) -> float:
        """Make no turn due before `until`, including turns that are due already. Return the seconds that this adds."""
        longer = until - max(now, self._since)
        if longer <= 0:
            return 0.0
        self.change(now, self.rate)
        self._since = until
        return longer

    def is_held(self, now: float) -> bool:
        """Return whether turns are being held back."""
        return now < self._since

    def is_pressed(self, now: float) -> bool:
        """Return whether callers wait for their turns, so that the pace is what limits the rate.

        A few callers may all be on their way. Until the next turn is due, the last one shows whether it had to wait.
        """
        come = self._come + self.rate * (now - self._since)
        return self._last + self._has_waited >= come and now >= self._idle_at + PRESSED_AFTER
