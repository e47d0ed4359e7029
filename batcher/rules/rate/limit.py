"""What a refusal shows about the service's limit. A pure estimate in one formula.

A token bucket with a burst refuses late, far above its limit; the number of starts it took since it was last empty is
then close to the limit. A bucket without a burst refuses exactly at its limit, after it took less. The client cannot
see which kind it meets, so the estimate is a weighted mean of both readings.
"""

from __future__ import annotations

from typing import NamedTuple

EXCEEDED = 0.7
"""The share of the rate of a slow start that is the limit at first, if most of its attempts were refused."""

MOVED = 1.3
"""A probe refused only above this factor of the limit shows that the limit has risen to about what was taken."""

HINTED = 0.95
"""The share of the limit to use when refusals bring a `Retry-After`: each of those pauses all workers."""

TRUST = 0.65
"""The weight of the refused attempt's rate against the rate of the accepted starts. The share of refusals among the
answers is subtracted: the more refusals, the farther that rate was from the limit."""

LEAST_TRUST = 0.1
"""The smallest weight of the refused attempt's rate."""

DEEPEST = 0.25
"""The estimate uses at least this share of the refused rate: one second without starts may be an accident."""


def estimate(rate: float, taken: float, refused: float) -> float:
    """Return the estimated limit in starts per second: between the refused `rate` and what was `taken`.

    `refused` is the share of refusals among the latest answers, from 0 to 1.
    """
    trust = max(LEAST_TRUST, TRUST - refused)
    return float(rate**trust * max(DEEPEST * rate, min(rate, taken)) ** (1 - trust))


FAR = 1.5
"""Where refusals are chance, a probe refused only above this factor of the limit shows that the limit has risen."""

FOLLOWED = 0.25
"""The share of refusals that is assumed for such a probe: what was taken lately lags behind its rate."""

KEPT = 0.95
"""A refused probe keeps at least this share of the limit: it was refused because it probed."""


class Seen(NamedTuple):
    """What was seen where some refusals are chance."""

    rate: float
    """The rate of the refused attempt."""
    taken: float
    """Attempts per second that only chance refused."""
    excess: float
    """The share of refusals that chance does not explain."""


def with_chance(seen: Seen, probed: float | None) -> float:
    """Return the estimated limit in attempts per second. `probed` is the limit above which the rate was probing."""
    taken = min(seen.rate, seen.taken)
    if probed is None:
        return max(seen.rate * (1 - max(0.0, seen.excess)), taken)
    if seen.rate < FAR * probed:
        return max(KEPT * probed, taken)
    return estimate(seen.rate, seen.taken, FOLLOWED)
