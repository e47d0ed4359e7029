"""An intent's content: the rows that were admitted together, column by column, as MessagePack (https://msgpack.org)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import msgpack

from batcher.edges.checkpoint.groups import keys_of
from batcher.model import NUMBERS, STATUSES, Admitted, BadRow, Row

_encode = msgpack.Encoder().encode


def encoded(admitted: Sequence[Admitted]) -> bytes:
    """Encode admitted rows: ids, states, copies, numbers, keys, buckets, objects, and inputs or a bad row's reason."""
    rows = [each.row for each in admitted]
    return _encode(
        (
            [each.id for each in admitted],
            bytes([NUMBERS[each.status] for each in admitted]),
            [each.copy for each in admitted],
            [row.number for row in rows],
            b"".join([row.key for row in rows]),
            [row.bucket for row in rows],
            [row.object for row in rows],
            [row.reason if isinstance(row, BadRow) else row.inputs for row in rows],
        )
    )


def decoded(content: bytes) -> list[Admitted]:
    """Return the rows that `encoded` wrote. Their lines are not known."""
    ids, states, copies, numbers, keys, buckets, objects, rest = msgpack.decode(content)
    admitted = []
    columns = zip(ids, states, copies, numbers, keys_of(keys), buckets, objects, rest, strict=True)
    for id_, state, copy, number, key, bucket, object_, more in columns:
        row: Row | BadRow
        # Inputs are bytes, and a reason is text.
        if isinstance(more, bytes):
            row = Row(number, 0, bucket, object_, more, key)
        else:
            row = BadRow(number, 0, bucket, object_, more, key)
        admitted.append(Admitted(id_, row, STATUSES[state], copy))
    return admitted
