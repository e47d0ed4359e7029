"""What a refusal shows about the service's limit. A pure estimate in one formula.

A token bucket with a burst refuses late, far above its limit; the number of starts it took since it was last empty is
then close to the limit. A bucket without a burst refuses exactly at its limit, after it took less. The client cannot
see which kind it meets, so the estimate is a weighted mean of both readings.
"""

from __future__ import annotations

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
