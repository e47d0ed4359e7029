"""The history of single rows: what the checkpoint and the records say about each row that matches."""

from __future__ import annotations

from batcher.app.history import Past
from batcher.model import Record, Unsettled
from batcher.rules.report.explain import Life, lives
from batcher.rules.rows.identity import canonical


def matching_lives(past: Past, wanted: str) -> list[Life]:
    """Return the history of each matching row, in the order of their numbers."""
    number = int(wanted) if wanted.isdecimal() else None

    def is_named(each: Record | Life | Unsettled) -> bool:
        return wanted in {each.object, f"{each.bucket}/{each.object}"}

    numbers = {record.row for record in past.records() if record.row == number or is_named(record)}
    # Only the checkpoint knows a row that was never sent, or that has no record yet.
    standings = [
        standing
        for standing in past.checkpoint.standings()
        if standing.number in numbers
        or standing.number == number
        or (standing.unsettled is not None and is_named(standing.unsettled))
    ]
    numbers |= {standing.number for standing in standings}
    records = [record for record in past.records() if record.row in numbers]
    static_inputs = canonical(past.job.card.inputs)
    told = lives(standings, records, static_inputs, running=past.checkpoint.running)
    return [life for life in told if life.number == number or is_named(life)]
