"""What becomes of a row that the manifest shows: sent, noted or left alone. Pure.

Rule: a row is sent only if it is surely not started. Everything else about a second look at the manifest follows.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from batcher.model import Admitted, BadRow, Found, State

INTENT = State.INTENT
"""Looking a member up in its enumeration takes Python 3.11 as long as ten looks at a name: too long for each row."""


class Policy(NamedTuple):
    """What the user allows: look at earlier rejections again, start rows of the same content more than once."""

    retry_rejected: bool = False
    allow_duplicates: bool = False


def left_alone(policy: Policy) -> AbstractSet[State]:
    """Give the states in which a known row needs nothing more."""
    states = {State.INTENT, State.STARTED, State.IN_DOUBT, State.DISMISSED}
    if not policy.retry_rejected:
        # Rows are invalid by themselves, or by what the workflow declared at that time.
        states |= {State.REJECTED, State.INVALID}
    if not policy.allow_duplicates:
        states.add(State.DUPLICATE)
    return states


def admission(found: Found, policy: Policy) -> Admitted | None:
    """Decide on a row as found: with an intent, as invalid, as a duplicate, or not at all (None)."""
    row, known, copy = found.row, found.state, found.copy
    if known is not None and (known in left_alone(policy) or is_still_invalid(found)):
        return None
    state = INTENT
    if isinstance(row, BadRow):
        state = State.INVALID
    elif copy > 1 and not policy.allow_duplicates:
        state = State.DUPLICATE
    return Admitted(found.id, row, state, copy, known is None)


def is_still_invalid(found: Found) -> bool:
    """Tell whether a row that was invalid when it was last looked at is so again: its record is written."""
    return found.state is State.INVALID and isinstance(found.row, BadRow)
