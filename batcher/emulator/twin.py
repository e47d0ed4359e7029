"""The state of one emulator, and what a start does to it. It knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import NamedTuple

from batcher.emulator.answers import Refusal, service_time
from batcher.emulator.executions import Execution, Executions, ExecutionState, ExecutionType
from batcher.emulator.faults import FaultKind, draw, lot
from batcher.emulator.ledger import Ledger, Restore
from batcher.emulator.orders import Order
from batcher.emulator.pages import list_delay
from batcher.emulator.quirks import Quirk, number
from batcher.emulator.retelling import other_inputs
from batcher.emulator.settings import Settings
from batcher.emulator.token_bucket import TokenBucket
from batcher.model import Json

FIRST_ONLY = {Quirk.FAULTS_FIRST, Quirk.NEIGHBOUR, Quirk.RIVAL}
"""The quirks that treat the first start of a content differently."""


class Fate(NamedTuple):
    """What becomes of a start: the fault that strikes it, and the seconds until it is committed."""

    fault: FaultKind | None
    late: float


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
        self.in_flight = 0
        """Starts that wait for their answer."""
        self._ends: list[float] = []
        """When the executions that run will end, as a heap. It is empty if their number is not limited."""
        # The seed makes a run repeatable; nothing here is a secret.
        self._random = random.Random(settings.seed)  # noqa: S311
        self._latest: dict[str, Execution] = {}
        """The latest start of each workflow."""
        self._met: set[tuple[str, str, str, str]] = set()
        """Contents that were asked for, as far as a quirk depends on it."""
        for age in range(settings.past):
            self._add_past(age)

    def takes_a_start(self) -> bool:
        """Take one start if its limits allow it. Return whether they do."""
        now, flying, running = self.settings.clock(), self.settings.most_in_flight, self.settings.most_running
        if flying is not None and self.in_flight >= flying:
            return False
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        if running is not None and len(self._ends) >= running:
            return False
        return self._throttle is None or self._throttle.take(now)

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

    def fate(self, graph: str, order: Order | Refusal) -> Fate:
        """Decide what becomes of the next start, and start what other clients start beside it."""
        quirks = self.settings.quirks
        is_first = isinstance(order, Order) and self._is_first(graph, order)
        if is_first and isinstance(order, Order):
            self._start_beside(graph, order)
        if Quirk.FAULTS_FIRST not in quirks:
            fault = draw(self.settings.faults, self._random.random())
            return Fate(fault, self._lateness(order))
        if not is_first or not isinstance(order, Order):
            return Fate(None, 0.0)
        chance = lot(self.settings.seed, "fault", order.bucket, order.object)
        return Fate(draw(self.settings.faults, chance), self._lateness(order))

    def misses(self, order: Order) -> bool:
        """Return whether the object is one of those reported as missing."""
        return lot(self.settings.seed, "reject", order.bucket, order.object) < self.settings.reject_share

    def start(self, graph: str, order: Order) -> Execution:
        """Start an execution and record it in the ledger. From then on it exists, whatever is answered.

        Returns the execution to answer with, which is an earlier one with the quirk for that.
        """
        before = self._latest.get(graph)
        if before is not None and self._strikes(Quirk.STALE_ANSWER, order):
            return before
        name = before.name if before is not None and self._strikes(Quirk.SAME_NAME, order) else ""
        execution = self._add(graph, order, ExecutionType.APICALL, self.settings.clock(), name)
        self._latest[graph] = execution
        if self.settings.most_running is not None:
            heappush(self._ends, execution.ends_at)
        self.ledger.runs(execution.started_at, execution.ends_at)
        self.ledger.commit(execution.name, order.bucket, order.object, order.inputs, service_time(execution.started_at))
        return execution

    def restore_fate(self) -> Fate:
        """Decide what becomes of the next restore."""
        settings = self.settings
        late = number(settings.quirks, Quirk.RESTORE_LATE)
        return Fate(draw(settings.restore_faults, self._random.random()), late)

    def restore(self, execution: Execution) -> Execution:
        """Restore an execution and record that in the ledger. Return the one that runs now, usually the same."""
        settings, now = self.settings, self.settings.clock()
        order = Order(execution.bucket, execution.object, execution.inputs)
        restored_at = service_time(now)
        self.ledger.commit_restore(Restore(execution.name, execution.state(now), restored_at))
        if Quirk.RESTORE_RENAMES in settings.quirks:
            return self._add(execution.graph, order, execution.type, now, end=ExecutionState.SUCCESS)
        fails = self._strikes(Quirk.RESTORE_FAILS, order)
        execution.restore(
            now + self._run_time(order),
            execution.end if fails else ExecutionState.SUCCESS,
            now + number(settings.quirks, Quirk.RESTORE_HIDDEN),
        )
        self.ledger.runs(now, execution.ends_at)
        return execution

    def described(self, execution: Execution) -> Execution:
        """Return what the detail of an execution describes: itself, or with a quirk another one."""
        other = self.executions[execution.graph].next_to(execution)
        order = Order(execution.bucket, execution.object, execution.inputs)
        if self._strikes(Quirk.WRONG_DETAIL, order):
            return other
        if self._strikes(Quirk.MIXED_DETAIL, order):
            return replace(execution, bucket=other.bucket, object=other.object, inputs=other.inputs)
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

    def _strikes(self, quirk: Quirk, order: Order) -> bool:
        return self.settings.strikes(quirk, order.bucket, order.object)

    def _is_first(self, graph: str, order: Order) -> bool:
        """Return whether this content is met for the first time. It is remembered only if a quirk depends on it."""
        if not self.settings.quirks.keys() & FIRST_ONLY:
            return False
        content = (graph, order.bucket, order.object, json.dumps(order.inputs, sort_keys=True))
        is_first = content not in self._met
        self._met.add(content)
        return is_first

    def _start_beside(self, graph: str, order: Order) -> None:
        """Start what other clients start at the same time. It is not in the ledger."""
        if Quirk.NEIGHBOUR in self.settings.quirks:
            neighbour = next(other for other in self.executions if other != graph)
            self.start_elsewhere(order.bucket, order.object, order.inputs, graph=neighbour)
        if Quirk.RIVAL in self.settings.quirks:
            self.start_elsewhere(order.bucket, order.object, other_inputs(order.inputs), graph=graph)

    def _lateness(self, order: Order | Refusal) -> float:
        """Return the seconds from the receipt of a start to its commit."""
        if isinstance(order, Refusal):
            return 0.0
        is_late = self.settings.strikes(Quirk.LATE_SHARE, order.bucket, order.object, absent=1.0)
        return number(self.settings.quirks, Quirk.LATE_COMMIT) if is_late else 0.0

    def _add(  # noqa: PLR0913, PLR0917 - what an execution is made of
        self,
        graph: str,
        order: Order,
        type_: ExecutionType,
        started_at: float,
        name: str = "",
        end: ExecutionState | None = None,
    ) -> Execution:
        execution = Execution(
            # Not seeded: a restarted emulator must not repeat the names of its executions.
            name=name or uuid.uuid4().hex,
            graph=graph,
            type=type_,
            bucket=order.bucket,
            object=order.object,
            inputs=order.inputs,
            started_at=started_at,
            ends_at=started_at + self._run_time(order),
            listed_at=started_at + list_delay(self.settings, order.bucket, order.object),
            end=end or self._end(order),
        )
        self.executions[graph].add(execution)
        return execution

    def _run_time(self, order: Order) -> float:
        settings = self.settings
        spread = settings.run_spread and settings.run_spread * (
            2 * lot(settings.seed, "run", order.bucket, order.object) - 1
        )
        return settings.run_time * (1 + spread)

    def _end(self, order: Order) -> ExecutionState:
        """Return how the executions of an object end."""
        drawn = lot(self.settings.seed, "fail", order.bucket, order.object)
        for state, share in self.settings.ends:
            if drawn < share:
                return state
            drawn -= share
        return ExecutionState.SUCCESS

    def _add_past(self, number: int) -> None:
        """Add one execution that has ended. The first is the newest, and the others are one second apart."""
        age = self.settings.run_time * (1 + self.settings.run_spread) + self.settings.list_delay + 1 + number
        self.start_elsewhere("past", f"past/{number}", started_at=self.began_at - age)
