"""Whether to send a row from the manifest, record it, or skip it. Pure.

Rule: a row is sent only if it is certain that it was not started. Reading the manifest again is safe for that reason.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from batcher.model import Admitted, BadRow, Found, State

INTENT = State.INTENT
"""A local name: in Python 3.11 an enum member lookup takes as long as ten name lookups, too slow for every row."""


class Policy(NamedTuple):
    """What the user allows: retry rejected rows, start rows with the same content more than once."""

    retry_rejected: bool = False
    allow_duplicates: bool = False


def left_alone(policy: Policy) -> AbstractSet[State]:
    """Return the states in which a known row needs no further action."""
    states = {State.INTENT, State.STARTED, State.IN_DOUBT}
    if not policy.retry_rejected:
        # A row is invalid in itself, or by what the workflow declared when it was checked.
        states |= {State.REJECTED, State.INVALID}
    if not policy.allow_duplicates:
        states.add(State.DUPLICATE)
    return states


def admission(found: Found, policy: Policy) -> Admitted | None:
    """Decide about a row: admit it with an intent, as invalid or as a duplicate, or skip it (None)."""
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
    """Return whether a row recorded as invalid is invalid again, so that no new record is needed."""
    return found.state is State.INVALID and isinstance(found.row, BadRow)
