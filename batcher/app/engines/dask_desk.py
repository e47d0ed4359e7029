"""What batcher runs in a Dask scheduler: tickets that each work once, leases for workers, and a look at the cluster.

It lives as long as the scheduler. A run ends here with the connection of the command that drives it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import psutil
from distributed.diagnostics.plugin import SchedulerPlugin

import batcher
from batcher.app.leases import Grantor, Told
from batcher.model import Json

NAME = "batcher"
"""The name of the plugin, and what the names of its handlers begin with."""


def versions() -> dict[str, str]:
    """Return what must be the same in all processes of a run."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"Python": python, "batcher": batcher.__version__, "distributed": version("distributed")}


def listens() -> list[tuple[str, int]]:
    """Return the addresses and ports at which this process listens."""
    found = psutil.Process().net_connections("inet")
    return [(each.laddr.ip, each.laddr.port) for each in found if each.status == psutil.CONN_LISTEN]


@dataclass
class _Run:
    client: str
    """The id of the client that drives the run."""
    told: Told
    grantor: Grantor = field(default_factory=lambda: Grantor(time.monotonic))
    tickets: dict[int, str] = field(default_factory=dict)
    """The ticket of each shard that has not been redeemed."""


class Desk(SchedulerPlugin):
    """Answers the driver and the workers of every run on a scheduler."""

    idempotent = True

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    async def start(self, scheduler: Any) -> None:
        """Take the requests of this plugin."""
        self._scheduler = scheduler
        for name in ("cluster", "beat", "issue", "redeem", "lease"):
            scheduler.handlers[f"{NAME}_{name}"] = getattr(self, name)

    def remove_client(self, scheduler: Any, client: str) -> None:  # noqa: ARG002 - as Dask calls it
        """Drain the runs of a driver that is gone."""
        for run in self._runs.values():
            if run.client == client:
                run.told = run.told._replace(is_draining=True)
                run.tickets.clear()

    def cluster(self) -> dict[str, Any]:
        """Return what a driver verifies about the scheduler."""
        scheduler = self._scheduler
        return {
            "versions": versions(),
            "address": scheduler.address,
            "listens": listens(),
            "allowed_failures": scheduler.allowed_failures,
            "worker_ttl": scheduler.worker_ttl,
            "workers": [*scheduler.workers],
        }

    def beat(self, run: str, client: str, told: tuple[float, bool, bool]) -> dict[str, Any]:
        """Take the orders of a driver. Return the workers of the cluster, and the figures of its shards."""
        kept = self._runs.setdefault(run, _Run(client, Told(*told)))
        kept.told = Told(*told)
        return {"workers": [*self._scheduler.workers], "latest": [*kept.grantor.latest.items()]}

    def issue(self, run: str, shard: int, ticket: str) -> None:
        """Issue the ticket for a dispatch of a shard. Earlier ones of this shard are void."""
        self._runs[run].tickets[shard] = ticket

    def redeem(self, run: str, shard: int, ticket: str) -> bool:
        """Return whether a ticket is good. It is good once."""
        kept = self._runs.get(run)
        if kept is None or kept.tickets.get(shard) != ticket:
            return False
        del kept.tickets[shard]
        return True

    def lease(self, run: str, question: Mapping[str, Any]) -> Mapping[str, Json]:
        """Answer a worker's request for a lease."""
        kept = self._runs.get(run)
        return {} if kept is None else kept.grantor.answer(question, kept.told)
