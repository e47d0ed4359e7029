"""When the service counts as unreachable, when to probe it, and when it has recovered. Values in, values out.

A batch job pauses and probes where a circuit breaker would fail fast (https://www.pollydocs.org): failing fast would
use up rows.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.model import Verdict
from batcher.rules.rate.decisions import Event, Kind

FAILURES = frozenset({Verdict.UNSENT, Verdict.IN_DOUBT})
"""No connection, a lost answer or a 5xx. Every other verdict shows that the service is available."""

IN_A_ROW = 30
"""Consecutive failures that make an outage. If half of the attempts fail at random, one run of 30 in a billion does."""

PROBE_EVERY = 1.0
"""Seconds between two probes."""


class Health(NamedTuple):
    """The state of a service that has been reached once. Times are in seconds of one steady clock."""

    failures: int = 0
    """Consecutive failed attempts up to now."""
    failing_since: float = 0.0
    """When the first of these failed."""
    out_since: float | None = None
    """When the outage began, which is when its first attempt failed. None: no outage."""
    probe_at: float = 0.0
    """When the next attempt may be sent during the outage."""


WELL = Health()
"""No recent failure: attempts need no further check."""


def learn(health: Health, verdict: Verdict, now: float) -> Health:
    """Return the state after an attempt with this verdict."""
    if verdict not in FAILURES:
        return WELL
    failures = health.failures + 1
    since = health.failing_since if health.failures else now
    if health.out_since is not None or failures < IN_A_ROW:
        return health._replace(failures=failures, failing_since=since)
    return Health(failures, since, since, now + PROBE_EVERY)


def wait(health: Health, now: float) -> float:
    """Return the seconds to wait before the next check. 0.0: send now, and call `probed` first."""
    return 0.0 if health.out_since is None else max(0.0, health.probe_at - now)


def probed(health: Health, now: float) -> Health:
    """Return the state after an attempt was sent. In an outage, the next one waits for its answer or for 1 s."""
    return health if health.out_since is None else health._replace(probe_at=now + PROBE_EVERY)


def change(before: Health, after: Health, now: float, word: str) -> Event | None:
    """Return the event between two states: the start or end of an outage. `word` describes the last answer."""
    if before.out_since is None and after.out_since is not None:
        cause = f"{after.failures} attempts failed in a row, the last with {word}; now sending one probe per second"
        return Event(now, Kind.OUTAGE, 0.0, 0.0, cause)
    if before.out_since is not None and after.out_since is None:
        return Event(now, Kind.RECOVERED, now - before.out_since, 0.0, "the service answers again")
    return None
