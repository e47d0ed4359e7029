"""The progress of a run at a moment, as a person reads it in a line or below a bar, and as a program reads it. Pure.

No text of the manifest or of the service is part of it: nothing that somebody else wrote reaches the terminal this way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from batcher.model import Json
from batcher.rules.progress.eta import Range, in_words
from batcher.rules.text import number


class View(NamedTuple):
    """What a run looks like at a moment: rows are counted over all runs of the job, all times are seconds.

    `rate` is what the last seconds have started, `limit` what the service was found to take (None: not known), both in
    starts a second. `oldest` is how long the oldest attempt in flight has been on the wire, None where there is none.
    `state` says what keeps the run from going faster, empty if nothing does. `fraction` of the manifest is done and the
    rest takes `eta` (None: unknown); `seconds` have passed.
    """

    rows: int
    started: int
    rejected: int
    invalid: int
    duplicates: int
    in_doubt: int
    retries: int
    in_flight: int
    oldest: float | None
    rate: float
    limit: float | None
    state: str
    fraction: float | None
    eta: Range | None
    seconds: float


def line(view: View) -> str:
    """Say in one line how far the run is."""
    return ", ".join([*_done(view), *parts(view), elapsed(view)])


def lines(view: View, columns: int) -> list[str]:
    """Say the same below a bar, which has the first and the last of it: in lines of at most so many columns."""
    filled = [""]
    for part in parts(view):
        longer = f"{filled[-1]}, {part}" if filled[-1] else part
        # The comma that ends a line needs its column too.
        if len(longer) < columns:
            filled[-1] = longer
        else:
            filled[-1] += ","
            filled.append(part)
    return filled


def document(view: View) -> dict[str, Json]:
    """Give the fields for a program, numbers to three digits behind the point."""
    fields = view._asdict()
    if view.eta is not None:
        fields["eta"] = [round(end, 3) for end in view.eta]
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}


def parts(view: View) -> list[str]:
    """Give what there is to say: what stands at nothing is left out where that is as it should be."""
    troubles = (
        (view.rejected, "rejected"),
        (view.invalid, "invalid"),
        (view.duplicates, "duplicate"),
        (view.in_doubt, "in doubt"),
    )
    flight = f"{view.in_flight:,} in flight"
    return [
        f"{view.rows:,} rows read",
        f"{view.started:,} started",
        *(f"{count:,} {name}" for count, name in troubles if count),
        f"{number(view.rate)}/s" + ("" if view.limit is None else f" of about {number(view.limit)}/s"),
        flight if view.oldest is None else f"{flight} (oldest {number(view.oldest)} s)",
        *([f"{view.retries:,} sent again"] if view.retries else []),
        *_end(view),
    ]


def percent(view: View) -> str:
    """Give the part that is done; a hundred only when all of it is."""
    return "" if view.fraction is None else f"{int(view.fraction * 100)}%"


def elapsed(view: View) -> str:
    """Give the time that has passed."""
    return str(timedelta(seconds=int(view.seconds)))


def _done(view: View) -> list[str]:
    return [f"{percent(view)} done"] if percent(view) else []


def _end(view: View) -> list[str]:
    if view.fraction == 1.0:
        return []
    when = "unknown" if view.eta is None else in_words(view.eta)
    return [f"eta {when}" + (f" ({view.state})" if view.state else "")]
