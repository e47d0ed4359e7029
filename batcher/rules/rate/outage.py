"""The outage: when the service counts as away, when to look whether it is back, and when it is. Values in, values out.

A batch pauses and probes where a circuit breaker would fail fast (https://www.pollydocs.org):
failing fast would burn rows.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.model import Verdict
from batcher.rules.rate.decisions import Event, Kind

FAILURES = frozenset({Verdict.UNSENT, Verdict.IN_DOUBT})
"""No connection; and a lost answer or a 5xx. Any other verdict shows that the service is there."""

IN_A_ROW = 30
"""Failures that make an outage. Where half of the attempts fail by chance, one in a billion does it."""

PROBE_EVERY = 1.0
"""Seconds between two probes."""


class Health(NamedTuple):
    """What a run knows of its service, which it has reached once. Times are in seconds of one steady clock."""

    failures: int = 0
    """Failed attempts in a row, up to now."""
    failing_since: float = 0.0
    """When the first of them failed."""
    out_since: float | None = None
    """When the outage began: with its first failure. None: there is none."""
    probe_at: float = 0.0
    """When the next attempt may be sent while the outage lasts."""


WELL = Health()
"""Nothing has failed lately: then an attempt has to ask for nothing else."""


def learn(health: Health, verdict: Verdict, now: float) -> Health:
    """Give what is known after an attempt came to this verdict."""
    if verdict not in FAILURES:
        return WELL
    failures = health.failures + 1
    since = health.failing_since if health.failures else now
    if health.out_since is not None or failures < IN_A_ROW:
        return health._replace(failures=failures, failing_since=since)
    return Health(failures, since, since, now + PROBE_EVERY)


def wait(health: Health, now: float) -> float:
    """Give the seconds to wait before asking again whether to send; 0.0: send now, and call `probed` first."""
    return 0.0 if health.out_since is None else max(0.0, health.probe_at - now)


def probed(health: Health, now: float) -> Health:
    """Give what is known when an attempt is sent: while an outage lasts, all others wait for its answer or a second."""
    return health if health.out_since is None else health._replace(probe_at=now + PROBE_EVERY)


def change(before: Health, after: Health, now: float, word: str) -> Event | None:
    """Give the event that lies between two states: an outage's beginning or its end. `word` is the last answer's."""
    if before.out_since is None and after.out_since is not None:
        cause = f"{after.failures} attempts have failed in a row, the last with {word}; now there is one probe a second"
        return Event(now, Kind.OUTAGE, 0.0, 0.0, cause)
    if before.out_since is not None and after.out_since is None:
        return Event(now, Kind.RECOVERED, now - before.out_since, 0.0, "the service answers again")
    return None
