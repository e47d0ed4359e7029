"""The state of one emulator, and what a start does to it. It knows nothing of HTTP."""

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
    """A running emulator, for its owner. `url` is its endpoint, set once it listens."""

    def __init__(self, settings: Settings) -> None:
        """Create an emulator with only past executions. Raises DiskError if the ledger cannot be opened."""
        self.settings = settings
        self.ledger = Ledger(settings.ledger)
        self.url = ""
        self.began_at = settings.clock()
        self.stopping = asyncio.Event()
        """Set to end every answer that hangs or waits."""
        self.executions: Mapping[str, Executions] = {graph: Executions() for graph in settings.workflows}
        self._throttle = None if settings.rate is None else TokenBucket(settings.rate, settings.burst)
        # The seed makes a run repeatable; nothing here is a secret.
        self._random = random.Random(settings.seed)  # noqa: S311
        for number in range(settings.past):
            self._add_past(number)

    def takes_a_start(self) -> bool:
        """Take one start if the rate allows it. Return whether it does."""
        return self._throttle is None or self._throttle.take(self.settings.clock())

    def change_rate(self, rate: float | None) -> None:
        """Set the starts per second from now on; None is unlimited. Raises UsageError for invalid rates."""
        self.settings = replace(self.settings, rate=rate)
        if rate is None or self._throttle is None:
            self._throttle = None if rate is None else TokenBucket(rate, self.settings.burst)
        else:
            self._throttle.change(self.settings.clock(), rate)

    def change_faults(self, faults: Mapping[FaultKind, float]) -> None:
        """Inject these faults from now on, and no others. Raises UsageError for invalid shares."""
        self.settings = replace(self.settings, faults=faults)

    def draw_fault(self) -> FaultKind | None:
        """Choose the fault for the next start."""
        return draw(self.settings.faults, self._random.random())

    def misses(self, order: Order) -> bool:
        """Return whether the object is one of those reported as missing."""
        return lot(self.settings.seed, "reject", order.bucket, order.object) < self.settings.reject_share

    def start(self, graph: str, order: Order) -> Execution:
        """Start an execution and record it in the ledger. From then on it exists, whatever is answered."""
        execution = self._add(graph, order, ExecutionType.APICALL, self.settings.clock())
        self.ledger.commit(execution.name, order.bucket, order.object, order.inputs, service_time(execution.started_at))
        return execution

    def start_elsewhere(  # noqa: PLR0913 - everything by which similar executions differ
        self,
        bucket: str,
        object: str,  # noqa: A002 - the service's name
        inputs: Mapping[str, Json] | None = None,
        *,
        type: str = "APICALL",  # noqa: A002 - the service's name
        started_at: float | None = None,
        graph: str | None = None,
    ) -> str:
        """Add an execution that another client started, and return its name. It is not in the ledger.

        `type` is APICALL or TRIGGERCAL, `started_at` POSIX time in seconds (None: now), `graph` the workflow (None: the
        first).
        """
        graph = graph or next(iter(self.executions))
        started_at = self.settings.clock() if started_at is None else started_at
        return self._add(graph, Order(bucket, object, inputs or {}), ExecutionType(type), started_at).name

    def _add(self, graph: str, order: Order, type_: ExecutionType, started_at: float) -> Execution:
        execution = Execution(
            # Not seeded: a restarted emulator must not repeat the names of its executions.
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
        """Add one execution that has ended. The first is the newest, and the others are one second apart."""
        age = self.settings.run_time + self.settings.list_delay + 1 + number
        self.start_elsewhere("past", f"past/{number}", started_at=self.began_at - age)
