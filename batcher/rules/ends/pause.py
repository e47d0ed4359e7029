"""The pause between two looks at the execution list. Pure: times are arguments.

A look costs requests for all executions that still run, so it waits until a share of these has probably ended. It has
its own module because the options need it without the rest.
"""

from __future__ import annotations

from typing import NamedTuple

LEAST = 1.0
"""Seconds between two looks, at least."""
MOST = 300.0
"""The default of the longest time between two looks, in seconds."""
SHARE = 0.1
"""The share of the running executions that a look should find ended. Looks then cost little, and none is late."""
GROWTH = 2.0
"""The factor by which the wait grows if no execution has ended, and at most otherwise."""


class Look(NamedTuple):
    """What the last look has found. `seconds` is since the look before, None at the first; `took` is how long it took.

    `waited` is the wait before it.
    """

    ended: int
    running: int
    seconds: float | None
    took: float
    waited: float


def wait(look: Look, most: float = MOST) -> float:
    """Return the seconds to wait until the next look. It is at least as long as the last look took."""
    if look.seconds is None:
        wanted = LEAST
    elif not look.ended:
        wanted = look.waited * GROWTH
    else:
        wanted = max(1.0, look.running * SHARE) * look.seconds / look.ended
        # Few ends show little about the others: they may all end soon.
        wanted = min(wanted, look.waited * GROWTH)
    return min(most, max(LEAST, look.took, wanted))


def wait_for_room(look: Look, typical: float | None, most: float) -> float:
    """Return the seconds to wait until the next look if starts wait for ends, so that they set their own pace.

    `typical` is for how many seconds an execution runs, None if that is not known. How many have ended since the last
    look would not show it: no more can end than the looks have let start.
    """
    if not look.running:
        return LEAST
    return wait(look, most) if typical is None else min(most, max(LEAST, look.took, SHARE * typical))
