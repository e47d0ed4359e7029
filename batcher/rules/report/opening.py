"""The first lines of a run: what it is about to start, where, as whom, and in which files. Pure.

They are shown before the first request that costs something, so that a person can still stop the run.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.rules.job.card import STANDARD_INPUT, Card
from batcher.rules.progress.extent import Length, total_in_words
from batcher.rules.text import counted, number


class Opening(NamedTuple):
    """What is known before the first start. `rate` is in starts per second, None if no earlier run has found one."""

    card: Card
    api: str
    """The API and the call that starts a row."""
    credentials: str
    """Where they were found, and how the access key ends."""
    rows: Length | None
    """The rows of the manifest, as far as its lines show. None if their number is not known."""
    most: int | None
    """How many rows this run sends at most. None if that is not limited."""
    rate: float | None
    manifest: str
    records: str
    checkpoint: str


def lines(opening: Opening) -> list[str]:
    """Return the lines."""
    card = opening.card
    manifest = "standard input" if opening.manifest == STANDARD_INPUT else opening.manifest
    limited = "" if opening.most is None else f"; at most {opening.most:,} of them in this run"
    of_shard = f" of shard {card.shard}" if card.shard else ""
    return [
        f"workflow:    {card.workflow} at {card.endpoint} ({opening.api})",
        f"bucket:      {card.bucket or 'as each row names it'}",
        f"credentials: {opening.credentials}",
        f"rows:        {_rows(opening.rows)}{of_shard} in {manifest}{limited}",
        *([f"rate:        from about {number(opening.rate)} starts per second, found earlier"] if opening.rate else []),
        f"files:       {opening.records} (records), {opening.checkpoint} (progress)",
    ]


def question(above: int, workflow: str, rows: Length | None) -> str:
    """Ask whether more than `above` rows are to be started. No more than that were counted."""
    listed = "" if rows is None else f" (the list has {_rows(rows)})"
    return f"This run starts more than {counted(above, 'execution')} of the workflow {workflow}{listed}. Continue?"


def _rows(rows: Length | None) -> str:
    if rows is None:
        return "an unknown number of rows"
    return f"{total_in_words(rows.rows, is_exact=rows.is_exact)} {'row' if rows.rows == 1 else 'rows'}"
