"""The extent of a job: how many rows its manifest has, how many are done, and how many are left. Pure.

Rule: rows that no run has read yet are part of the job. Where the length of the manifest is not known, neither are the
total, a share, nor what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batcher.model import Status
from batcher.rules.rows.settled_prefix import ENDED

UNKNOWN = "unknown"
LEAST_SHARE = 0.0005
"""The smallest share that rounds to 0.1 % or more."""


class Length(NamedTuple):
    """The number of rows of a manifest. It is estimated until the manifest was read to its end."""

    rows: int
    is_exact: bool

    def is_news(self, earlier: Length | None) -> bool:
        """Return whether this length is worth storing after `earlier`: exact, or different by more than 1 %."""
        if earlier is None or self.is_exact:
            return self != earlier
        return abs(self.rows - earlier.rows) * 100 > earlier.rows


def encoded(length: Length) -> str:
    """Write a length for the checkpoint."""
    return f"{'' if length.is_exact else '~'}{length.rows}"


def decoded(text: str | int | None) -> Length | None:
    """Read what `encoded` wrote. None if there is nothing."""
    if text is None:
        return None
    digits = str(text)
    return Length(int(digits.removeprefix("~")), is_exact=not digits.startswith("~"))


class Extent(NamedTuple):
    """The rows of a job. `total` and `unread`, the rows that the checkpoint does not have yet, are None if unknown."""

    total: int | None
    is_exact: bool
    unread: int | None
    done: int
    """Rows that no run sends again: started, or settled in another way. Rows in doubt are not done."""

    @property
    def left(self) -> int | None:
        """Rows that are not done."""
        return None if self.total is None else self.total - self.done

    @property
    def share(self) -> float | None:
        """The share of the rows that is done, from 0 to 1; 1 only if all are."""
        return self.share_of(self.done)

    def share_of(self, rows: int) -> float | None:
        """Return the share of a number of rows, from 0 to 1."""
        if self.total is None:
            return None
        return rows / self.total if self.total else 1.0

    @property
    def words(self) -> str:
        """The total in words."""
        return total_in_words(self.total, is_exact=self.is_exact)


def total_in_words(total: int | None, *, is_exact: bool) -> str:
    """Format a total: 1,000 or about 1,000 or unknown."""
    if total is None:
        return UNKNOWN
    return f"{total:,}" if is_exact else f"about {total:,}"


def extent(counts: Mapping[Status, int], length: Length | None, *, read_whole: bool) -> Extent:
    """Return the extent of a job from the rows of its checkpoint and the length of its manifest, None if unknown.

    `read_whole` is whether the manifest was read to its end: then the checkpoint has every row. It may have more than
    the manifest, which may have been edited.
    """
    known = sum(counts.values())
    done = sum(counts.get(status, 0) for status in ENDED)
    if read_whole:
        return Extent(known, is_exact=True, unread=0, done=done)
    if length is None:
        return Extent(None, is_exact=False, unread=None, done=done)
    total = max(known, length.rows)
    return Extent(total, length.is_exact, total - known, done)


def percent(share: float | None) -> str:
    """Format a share with one decimal. Only none is shown as 0.0%, and only all as 100.0%. Empty if it is unknown."""
    if share is None:
        return ""
    if 0 < share < LEAST_SHARE:
        return "<0.1%"
    return ">99.9%" if 1 - LEAST_SHARE < share < 1 else f"{share:.1%}"
