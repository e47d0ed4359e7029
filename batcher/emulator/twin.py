"""The twin: one emulator's state, and what a start does to it. It speaks no HTTP."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping
from dataclasses import replace

from batcher.emulator.answers import service_time
from batcher.emulator.executions import Execution, Executions, ExecutionType
from batcher.emulator.faults import FaultKind, draw, lot
from batcher.emulator.ledger import Ledger
from batcher.emulator.orders import Order
from batcher.emulator.settings import Settings
from batcher.emulator.token_bucket import TokenBucket
from batcher.model import Json


class Emulator:
    """A running emulator, as its owner sees it. `url` is its endpoint, once it listens."""

    def __init__(self, settings: Settings) -> None:
        """Begin with no executions but past ones. Raises DiskError where the ledger cannot be opened."""
        self.settings = settings
        self.ledger = Ledger(settings.ledger)
        self.url = ""
        self.began_at = settings.clock()
        self.stopping = asyncio.Event()
        """Ends every answer that hangs or waits."""
        self.executions: Mapping[str, Executions] = {graph: Executions() for graph in settings.workflows}
        self._throttle = None if settings.rate is None else TokenBucket(settings.rate, settings.burst)
        # A seed is there to repeat a run; nothing here is a secret.
        self._random = random.Random(settings.seed)  # noqa: S311
        for number in range(settings.past):
            self._add_past(number)

    def takes_a_start(self) -> bool:
        """Tell whether the rate allows one more start."""
        return self._throttle is None or self._throttle.take(self.settings.clock())

    def change_rate(self, rate: float | None) -> None:
        """Take so many starts a second from now on, None without limit. Raises UsageError on what cannot be."""
        self.settings = replace(self.settings, rate=rate)
        if rate is None or self._throttle is None:
            self._throttle = None if rate is None else TokenBucket(rate, self.settings.burst)
        else:
            self._throttle.change(self.settings.clock(), rate)

    def change_faults(self, faults: Mapping[FaultKind, float]) -> None:
        """Let starts meet these faults from now on, and no others. Raises UsageError on what cannot be."""
        self.settings = replace(self.settings, faults=faults)

    def draw_fault(self) -> FaultKind | None:
        """Choose the next start's fault."""
        return draw(self.settings.faults, self._random.random())

    def misses(self, order: Order) -> bool:
        """Tell whether the object is one of those that are said to be missing."""
        return lot(self.settings.seed, "reject", order.bucket, order.object) < self.settings.reject_share

    def start(self, graph: str, order: Order) -> Execution:
        """Start an execution and put it in the ledger; from then on it is true, whatever is answered."""
        execution = self._add(graph, order, ExecutionType.APICALL, self.settings.clock())
        self.ledger.commit(execution.name, order.bucket, order.object, order.inputs, service_time(execution.started_at))
        return execution

    def start_elsewhere(  # noqa: PLR0913 - all that tells one lookalike from another
        self,
        bucket: str,
        object: str,  # noqa: A002 - the service's word for it
        inputs: Mapping[str, Json] | None = None,
        *,
        type: str = "APICALL",  # noqa: A002 - the service's word for it
        started_at: float | None = None,
        graph: str | None = None,
    ) -> str:
        """Add an execution that somebody else started, and give its name. It is not in the ledger.

        `type` is APICALL or TRIGGERCAL, `started_at` POSIX time in seconds (None: now), `graph` the workflow (None: the
        first).
        """
        graph = graph or next(iter(self.executions))
        started_at = self.settings.clock() if started_at is None else started_at
        return self._add(graph, Order(bucket, object, inputs or {}), ExecutionType(type), started_at).name

    def _add(self, graph: str, order: Order, type_: ExecutionType, started_at: float) -> Execution:
        execution = Execution(
            # Unseeded: an emulator that is started again must not repeat the names of its executions.
            name=uuid.uuid4().hex,
            graph=graph,
            type=type_,
            bucket=order.bucket,
            object=order.object,
            inputs=order.inputs,
            started_at=started_at,
            ends_at=started_at + self.settings.run_time,
            listed_at=started_at + self.settings.list_delay,
            fails=lot(self.settings.seed, "fail", order.bucket, order.object) < self.settings.fail_share,
        )
        self.executions[graph].add(execution)
        return execution

    def _add_past(self, number: int) -> None:
        """Add one execution that has ended; the first is the youngest, the others lie a second apart."""
        age = self.settings.run_time + self.settings.list_delay + 1 + number
        self.start_elsewhere("past", f"past/{number}", started_at=self.began_at - age)
