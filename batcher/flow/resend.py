"""The resend: passes rows in doubt that were never started to the engine. They are known, so nothing is looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from batcher.model import BadRow, Found, Row, Status, Unsettled
from batcher.rules.rows.identity import content_key

Block = Sequence[Row | BadRow]
Sift = Callable[[Block], Awaitable[tuple[Sequence[Found], Counter[Status]]]]


def released_rows(released: Sequence[Unsettled]) -> tuple[AsyncIterator[Block], Sift]:
    """Return the rows as one block, and a sift that finds each of them PENDING."""
    rows = [_row(row) for row in released]

    async def blocks() -> AsyncIterator[Block]:
        yield rows

    async def sift(block: Block) -> tuple[Sequence[Found], Counter[Status]]:
        known = zip(released, block, strict=True)
        return [Found(unsettled.id, row, Status.PENDING, 1) for unsettled, row in known], Counter()

    return blocks(), sift


def _row(row: Unsettled) -> Row:
    return Row(row.number, 0, row.bucket, row.object, row.inputs, content_key(row.bucket, row.object, row.inputs))
