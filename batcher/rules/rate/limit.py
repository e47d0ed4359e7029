"""The limit: what a refusal shows of how much the service takes. A pure estimate of one line.

A bucket that had saved something up refuses late, far above its limit, but what it has taken since it was last empty
tells the limit well. A bucket that saves nothing refuses just at its limit, and has taken less. Which it is, nobody
tells.
"""

from __future__ import annotations

TRUST = 0.65
"""How much the rate of a refused attempt counts, against the rate of what was taken. The refused part of the answers is
taken off: the more of them, the farther off that rate was."""

LEAST_TRUST = 0.1

DEEPEST = 0.25
"""The smallest part of its rate that a refused attempt shows: a second of silence may be an accident."""


def shown(rate: float, taken: float, refused: float) -> float:
    """Give the limit in starts a second: between the `rate` that was refused and what was `taken`.

    `refused` is the part of the latest answers that are refusals, from 0 to 1.
    """
    trust = max(LEAST_TRUST, TRUST - refused)
    return float(rate**trust * max(DEEPEST * rate, min(rate, taken)) ** (1 - trust))
