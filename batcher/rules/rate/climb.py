"""How the rate rises: in a slow start, back to the limit after a cut, and later in a probe above it. Pure curves.

The climb is the concave part of CUBIC, https://www.rfc-editor.org/rfc/rfc9438#section-4.2. CUBIC probes too early for a
limit that refuses whatever exceeds it. Here the rate stays at the limit first, then the probe doubles from 1 %.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

GAINS = ((20.0, 1.5), (400.0, 5.5), (inf, 11.0))
"""(below this rate, each start adds this much), while nothing has been refused. The rate reaches 10,000 per second in
2 s, but never grows faster than answers arrive. At low rates the gain is small: a minute has few starts, and each
refusal costs more. A limit of 50 per second with a one-second burst is exceeded up to 350 per second."""

STAY = 12.0
"""Seconds until the probe begins. One refusal every 12 s is less than 2 % even at 5 starts per second."""

PROBE = 0.01
"""The share of the limit that the probe adds at first."""

DOUBLING = 0.65
"""Seconds in which the probe doubles. A limit that has risen fourfold is found within 20 s, including the stay."""

MOST_DOUBLINGS = 60.0
"""Bounds the exponent, so that a float cannot overflow."""


class Climb(NamedTuple):
    """A climb from the share `low` of the limit to the limit in `seconds`: linear (bend 1) or steep at first (3)."""

    low: float
    seconds: float
    bend: int


AFTER_CUT = Climb(0.7, 2.0, 3)
"""Fast, because most of the limit is known to be available."""

AFTER_PROBE = Climb(0.8, 2.0, 3)
"""Shallower: a probe just above a stable limit is refused because it probes, not because of an overload."""

AFTER_START = Climb(0.25, 10.0, 1)
"""Low and slow: a slow start can exceed a limit with a one-second burst several times over before it is refused."""

AFTER_OUTAGE = Climb(0.1, 10.0, 1)
"""From near zero, so that a service that has just recovered is not overloaded again."""


def gain(rate: float) -> float:
    """Return how much each start adds to this rate in a slow start."""
    return next(gain for below, gain in GAINS if rate < below)


def share(age: float, climb: Climb, stay: float = STAY, doubling: float = DOUBLING) -> float:
    """Return the share of the limit to send at after `age` seconds of use. Never falls with age."""
    if age < climb.seconds:
        left = 1 - age / climb.seconds
        return climb.low + (1 - climb.low) * float(1 - left**climb.bend)
    if age < stay:
        return 1.0
    doublings = min((age - stay) / doubling, MOST_DOUBLINGS)
    return 1 + PROBE * (float(2.0**doublings) - 1)
