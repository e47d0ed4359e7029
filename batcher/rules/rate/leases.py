"""One rate for several workers: grants that expire, whose sum is never above it, also when a worker dies. Pure.

A lease as in https://dl.acm.org/doi/10.1145/74851.74870: the holder counts its validity from before it asked, the
grantor from after it was asked, so that no clocks are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from batcher.rules.rate.pool import Pool

VALID = 3.0
"""Seconds for which a grant may be used, from before it was asked for."""
EVERY = 0.5
"""Seconds after which a worker asks again."""
MARGIN = 0.5
"""Seconds after the end of a grant until its rate is granted to others: clocks may differ in speed."""
SEED = 0.05
"""The part of an equal share that a worker has although it demands less."""
LEAST = 1e-6
"""Starts per second below which a grant is none."""


class Asked(NamedTuple):
    """What a worker asks for. Rates are in starts per second."""

    worker: str
    held: int
    """The number of the grant that it uses now. It will never use an older one."""
    demand: float
    """The rate that it could use; infinity if the rate is what limits it."""
    used: float
    """The rate that it has used since it asked last."""
    limit: float | None
    """The limit of the service that it has found by itself."""


class Grant(NamedTuple):
    """What a worker is granted: the number of the grant, and a rate that may be infinite."""

    number: int
    rate: float
    limit: float | None
    """The worker's share of the service's limit, if it must take another one than its own."""


class _Given(NamedTuple):
    number: int
    rate: float
    until: float


@dataclass
class _Holder:
    asked_at: float
    demand: float
    given: list[_Given] = field(default_factory=list)

    def usable(self, now: float) -> float:
        """Return the highest rate that the worker may still use."""
        return max((each.rate for each in self.given if now < each.until + MARGIN), default=0.0)


def shares(whole: float, demands: Mapping[str, float]) -> dict[str, float]:
    """Divide `whole` by demand: none has more than it demands while another lacks, and what is left is divided equally.

    This is max-min fairness, by water-filling.
    """
    left, waiting, found = whole, sorted(demands, key=lambda name: demands[name]), dict[str, float]()
    for position, name in enumerate(waiting):
        equal = left / (len(waiting) - position)
        found[name] = min(max(demands[name], SEED * equal), equal)
        left -= found[name]
    return {name: share + max(0.0, left) / len(found) for name, share in found.items()}


class Leases:
    """The grants of all workers. Times are in seconds of one steady clock of the grantor."""

    def __init__(self, most: float = inf) -> None:
        """Begin with `most` starts per second for all together."""
        self.most = most
        self._holders: dict[str, _Holder] = {}
        self._pool = Pool()
        self._numbers = 0

    def usable(self, now: float) -> float:
        """Return the highest sum of the rates that workers may use now."""
        return sum(each.usable(now) for each in self._holders.values())

    def left(self, worker: str) -> None:
        """Forget a worker that is known to send nothing any more."""
        self._holders.pop(worker, None)
        self._pool.left(worker)

    def ask(self, asked: Asked, now: float) -> Grant:
        """Grant a rate until VALID seconds after the worker has asked, at most what no other worker may still use."""
        self._forget(now)
        holder = self._holders.get(asked.worker)
        if holder is None:
            # What it will demand is not known yet.
            holder = self._holders[asked.worker] = _Holder(now, inf)
        else:
            holder.asked_at, holder.demand = now, asked.demand
        holder.given = [each for each in holder.given if each.number >= asked.held]
        demands = {name: each.demand for name, each in self._holders.items() if now < each.asked_at + VALID}
        self._numbers += 1
        rate = self._rate(asked.worker, holder, demands, now)
        holder.given.append(_Given(self._numbers, rate, now + VALID))
        self._pool.learn(asked.worker, asked.limit, asked.used)
        if holder.demand < inf or self._pool.limit is None:
            return Grant(self._numbers, rate, None)
        return Grant(
            self._numbers, rate, self._pool.told(asked.worker, shares(self._pool.limit, demands)[asked.worker])
        )

    def _rate(self, worker: str, holder: _Holder, demands: Mapping[str, float], now: float) -> float:
        if self.most == inf:
            return inf
        others = sum(each.usable(now) for name, each in self._holders.items() if name != worker)
        # What the worker may use already adds nothing.
        free = max(self.most - others, holder.usable(now))
        rate = min(shares(self.most, demands)[worker], free)
        return rate if rate >= LEAST else 0.0

    def _forget(self, now: float) -> None:
        for name, each in [*self._holders.items()]:
            each.given = [given for given in each.given if now < given.until + MARGIN]
            if not each.given and now >= each.asked_at + VALID:
                self.left(name)
