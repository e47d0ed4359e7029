"""The climb: how a lowered rate comes back to a limit, stays there, and in the end probes above it. A pure curve.

Its first part is CUBIC's concave one, https://www.rfc-editor.org/rfc/rfc9438#section-4.2. CUBIC probes too soon for a
limit that refuses what exceeds it: here a long stay comes first, and the probe doubles from a hundredth.
"""

from __future__ import annotations

from typing import NamedTuple

STAY = 12.0
"""Seconds after which the probe begins. One refusal every twelve seconds is less than 2 % even at 5 starts a second."""

PROBE = 0.01
"""The part of the limit with which a probe begins."""

DOUBLING = 0.65
"""Seconds in which a probe doubles: a limit that has risen fourfold is found within 20 s, the stay included."""

MOST_DOUBLINGS = 60.0
"""More would overflow a float sooner or later."""


class Climb(NamedTuple):
    """A way up: from the part `low` of the limit to the limit in `seconds`, straight (1) or first steeply (3)."""

    low: float
    seconds: float
    bend: int


AFTER_CUT = Climb(0.7, 2.0, 3)
"""Quick, for most of the limit is known to be there."""

AFTER_PROBE = Climb(0.8, 2.0, 3)
"""Shallower: a probe just above a limit that has held for long is refused for itself, and not for an overload."""

AFTER_START = Climb(0.25, 10.0, 1)
"""Low and slow: a slow start passes a limit with a burst of a second's worth several times before it is refused."""

AFTER_OUTAGE = Climb(0.1, 10.0, 1)
"""From nearly nothing, so that a service which has just come back is not knocked over again."""


def share(age: float, climb: Climb) -> float:
    """Give the part of the limit to send at, when the climb has been used for `age` seconds. Never falls with age."""
    if age < climb.seconds:
        left = 1 - age / climb.seconds
        return climb.low + (1 - climb.low) * float(1 - left**climb.bend)
    if age < STAY:
        return 1.0
    doublings = min((age - STAY) / DOUBLING, MOST_DOUBLINGS)
    return 1 + PROBE * (float(2.0**doublings) - 1)
