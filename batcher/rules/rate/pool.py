"""The limit of the service that several workers find together: the sum of what each finds. Pure.

Each worker finds its part by its own refusals. What a dead or idle one leaves is passed on, not found anew.
"""

from __future__ import annotations

APART = 1.2
"""A worker takes another limit if that differs from its own by more than this factor."""


class Pool:
    """What all workers know about the limit. Rates are in starts per second."""

    def __init__(self) -> None:
        self._limits: dict[str, float | None] = {}
        self._used: dict[str, float] = {}
        self._left = 0.0
        """What has been found by workers that are gone, less what has been passed on."""

    @property
    def limit(self) -> float | None:
        """The limit of all together. None while no worker has found any."""
        found = sum(each or self._used[name] for name, each in self._limits.items())
        whole = found + self._left
        return whole if whole > 0 and (self._left > 0 or any(self._limits.values())) else None

    def learn(self, worker: str, limit: float | None, used: float) -> None:
        """Learn the limit that a worker has found, None if it has found none, and the rate that it uses."""
        if limit is not None and worker not in self._limits:
            # It has found it in an earlier run. What others have left is the same part of the limit.
            self._left -= min(limit, max(0.0, self._left))
        self._limits[worker], self._used[worker] = limit, used
        if not any(self._limits.values()) and self._left < 0:
            self._left = 0.0

    def left(self, worker: str) -> None:
        """Keep what a worker has found that is gone, for the others."""
        self._left += self._limits.pop(worker, None) or 0.0
        self._used.pop(worker, None)

    def told(self, worker: str, share: float) -> float | None:
        """Return the limit that a worker is to take, given its share of all; None if its own is about the same."""
        own = self._limits[worker]
        if own is not None and own / APART <= share <= own * APART:
            return None
        self._left -= share - (own or self._used[worker])
        self._limits[worker] = share
        return share
