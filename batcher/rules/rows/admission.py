"""Whether to send a row from the manifest, record it, or skip it. Pure.

Rule: a row is sent only if it is certain that it was not started. Reading the manifest again is safe for that reason.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from batcher.model import Admitted, BadRow, Found, Row, Status

SENDING = Status.SENDING
"""A local name: in Python 3.11 an enum member lookup takes as long as ten name lookups, too slow for every row."""


class Policy(NamedTuple):
    """What the user allows: retry rejected rows, start rows with the same content more than once, in this job or again.

    `again`: also rows that other jobs of the ledger have started or claimed.
    """

    retry_rejected: bool = False
    allow_duplicates: bool = False
    again: bool = False


def left_alone(policy: Policy) -> AbstractSet[Status]:
    """Return the statuses with which a known row needs no further action."""
    alone = {Status.SENDING, Status.STARTED, Status.IN_DOUBT, Status.DISMISSED}
    if not policy.retry_rejected:
        # A row is invalid in itself, or by what the workflow declared when it was checked.
        alone |= {Status.REJECTED, Status.INVALID}
    if not (policy.allow_duplicates or policy.again):
        alone.add(Status.DUPLICATE)
    return alone


def admission(found: Found, policy: Policy) -> Admitted | None:
    """Decide about a row: admit it to be sent, as invalid or as a duplicate, or skip it (None)."""
    row, known, copy = found.row, found.status, found.copy
    if known is not None and (known in left_alone(policy) or is_still_ended(found, policy)):
        return None
    status = SENDING
    if isinstance(row, BadRow):
        status = Status.INVALID
    elif copy > 1 and not policy.allow_duplicates:
        status = Status.DUPLICATE
    return Admitted(found.id, row, status, copy, known is None)


def is_undecided(found: Found, policy: Policy) -> bool:
    """Return whether a row of the manifest may be sent by this policy."""
    return isinstance(found.row, Row) and (found.status is None or not is_still_ended(found, policy))


def is_still_ended(found: Found, policy: Policy) -> bool:
    """Return whether a row would end again as it is recorded, so that no new record is needed.

    It is invalid again, or a duplicate of a kind that the policy does not send: a further copy of its content repeats a
    row of the job, and a first copy a row that another job has started.
    """
    if found.status is Status.DUPLICATE:
        return not (policy.again if found.copy == 1 else policy.allow_duplicates)
    return found.status is Status.INVALID and isinstance(found.row, BadRow)
