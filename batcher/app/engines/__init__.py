"""Engines: what runs the shards of a job in workers. Each is the few functions of `Engine`; the driver does the rest.

An engine prevents no double start. It may lose a shard, or run it again: the checkpoint decides what is left of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from batcher.rules.shards.assignment import Shard

OURS = frozenset(
    {
        *("manifest", "shard", "run_dir", "processes", "engine", "scheduler"),
        *("max_rate", "limit", "max_duration", "stop_at"),
        *("progress", "report", "metrics_file", "metrics_port", "metrics_host"),
        *("yes", "confirm_above", "dry_run", "on_end", "watch", "deadline", "interval", "details"),
    }
)
"""The options that hold for all shards together, or that each worker is given otherwise. The rest is passed on."""


class End(NamedTuple):
    """How a shard's worker has ended: the exit code of the run, None if the worker was lost, and then why."""

    code: int | None
    why: str = ""


class Engine(Protocol):
    """Runs shards, each in a worker of its own."""

    @property
    def room(self) -> int:
        """How many shards can run at once, at this moment."""

    @property
    def latest(self) -> Mapping[int, Mapping[str, Any]]:
        """The last figures that the worker of each shard has sent, by the number of the shard."""

    async def start(self, shard: Shard, limit: int | None) -> None:
        """Give a shard to a worker, which sends at most `limit` of its rows, None for all."""

    def ended(self) -> Mapping[int, End]:
        """Return how shards have ended since the last time, by their numbers."""

    def drain(self) -> None:
        """Ask all workers to end gracefully."""
