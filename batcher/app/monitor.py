"""The monitor of a run: its live figures, decisions about its rate, what slows it, and how a person steers it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple, Protocol

from batcher.app.telemetry import Telemetry
from batcher.app.world import World
from batcher.edges.manifest import AnyManifest, Share
from batcher.errors import ExitCode
from batcher.flow.beside import beside
from batcher.flow.turns import Turns
from batcher.model import Json, Status
from batcher.rules.progress import eta
from batcher.rules.progress.counts import Tally
from batcher.rules.progress.eta import Speed
from batcher.rules.progress.extent import Length
from batcher.rules.progress.figures import Figures, document
from batcher.rules.rate import bottleneck as slowness
from batcher.rules.rate import decisions, orders
from batcher.rules.rate.bottleneck import Cause, Signs, Slowness
from batcher.rules.rate.decisions import Told
from batcher.rules.rate.found import FoundLimit, Look
from batcher.rules.rate.remembered import Proof, Remembered
from batcher.rules.records import event_log
from batcher.rules.records.event_log import Line

LOOK_SECONDS = 0.2
RECENT = 50
"""How many looks the current rate is computed from: ten seconds of them."""


class _Look(NamedTuple):
    """What the rates are computed from: how many rows this run had started, and how many it had sent and ended."""

    at: float
    started: int
    sent: int


class Following(Protocol):
    """What a closed loop shows: see `batcher.app.closed_loop`."""

    @property
    def running(self) -> int:
        """The number of executions whose end was not seen."""

    @property
    def age(self) -> float:
        """The seconds since the list was looked at."""

    @property
    def delayed(self) -> int:
        """The number of starts that wait for ends."""


@dataclass(slots=True)
class Monitor:
    """Looks at a run a few times a second."""

    tally: Tally
    turns: Turns
    max_rate: float
    """The --max-rate of the run; infinity without one."""
    telemetry: Telemetry
    world: World
    begun: float
    """When the run began, in seconds of the steady clock."""
    manifest: AnyManifest
    max_rows: int | None
    """How many rows the run sends at most."""
    concurrency: int
    found: FoundLimit
    """The limit of the service that is shown and kept."""
    slowness: Slowness = field(default_factory=Slowness)
    following: Following | None = None
    """What is known of running executions, None if they are not followed."""
    earlier_doubts: int = 0
    """Rows that earlier runs left in doubt."""
    lines_parsed: int = 0
    """The line of the last row parsed so far."""
    most: float = field(default=inf, init=False)
    """The rate that a person has asked for, within --max-rate."""
    _told: Told = field(default_factory=Told, init=False)
    _proof: Proof = field(default_factory=Proof, init=False)
    _has_logged_drain: bool = field(default=False, init=False)
    _recent: deque[_Look] = field(default_factory=lambda: deque(maxlen=RECENT), init=False)

    def figures(self) -> Figures:
        """Look at the run as it stands."""
        tally, length = self.tally, self.length
        to_send = None if length is None else length.rows - tally.ended
        if to_send is not None and self.max_rows is not None:
            to_send = min(to_send, self.max_rows - tally.sent)
        return Figures(
            rows=tally.rows,
            total=None if length is None else length.rows,
            left=None if length is None else max(0, length.rows - tally.done),
            started=tally.started,
            refused=tally.refused,
            rejected=tally.rejected,
            invalid=tally.invalid,
            duplicate=tally.duplicate,
            in_doubt=self.earlier_doubts + tally.in_doubt - tally.adopted - tally.resent,
            requests=tally.requests,
            retries=tally.retries,
            on_wire=len(tally.on_wire),
            oldest=self.oldest,
            rate=self.rate,
            pace=self.turns.throttle.pace.rate,
            limit=self.found.limit,
            chance=self.turns.throttle.chance,
            state=self.state,
            cause=self._cause(self.world.monotonic()),
            slowed=tuple(self.slowness.seconds(self.world.monotonic()).items()),
            fraction=None if length is None else eta.part_done(tally.done, length),
            eta=None if self.is_idle else eta.eta(to_send, self.speed),
            seconds=self.seconds,
            running=None if self.following is None else self.following.running,
            running_age=None if self.following is None else self.following.age,
            delayed=None if self.following is None else self.following.delayed,
        )

    @property
    def length(self) -> Length | None:
        """The length of the manifest, None if it is not known."""
        heads = self.manifest.header_lines
        lines = None if self.manifest.lines is None else self.manifest.lines - heads
        return eta.length(self.tally.parsed, self.lines_parsed - heads, lines, is_parsed=self.tally.is_parsed)

    @property
    def listed(self) -> Length | None:
        """The rows of the manifest by its lines, before any of them is read. None if their number is not known."""
        lines = self.manifest.lines
        shards = self.manifest.shards if isinstance(self.manifest, Share) else 1
        return None if lines is None else Length(max(0, lines - self.manifest.header_lines) // shards, is_exact=False)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Look at the run while the block lasts."""
        try:
            async with beside(self._look_on(), "monitor"):
                yield
        finally:
            self._look()
            self.slowness.turn(self.world.monotonic(), None)

    async def _look_on(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        now = self.world.monotonic()
        self._recent.append(self._counted(now))
        self._learn_rate(now)
        self.slowness.turn(now, self._cause(now))
        self._log_drain()
        while self.turns.decisions:
            event = self.turns.decisions.popleft()
            self.telemetry.log(event_log.of_decision(event))
            if self._told.is_news(event, self.turns.throttle.limit):
                self.world.voice.say(decisions.sentence(event, self._local_time(now - event.at)))

    def _learn_rate(self, now: float) -> None:
        throttle = self.turns.throttle
        look = Look(now, self.tally.written[Status.STARTED], self.turns.refused)
        self._proof.look(look)
        self.found.look(look, throttle.limit, throttle.chance, is_named=throttle.named < inf)

    def _local_time(self, seconds_ago: float) -> datetime:
        return datetime.fromtimestamp(self.world.clock()).astimezone() - timedelta(seconds=seconds_ago)

    def _counted(self, now: float) -> _Look:
        return _Look(now, self.tally.written[Status.STARTED], self.tally.sent)

    def _log_drain(self) -> None:
        drain = self.turns.drain
        if drain.begun and not self._has_logged_drain:
            self._has_logged_drain = True
            reason = drain.reason.name if isinstance(drain.reason, ExitCode) else str(drain.reason)
            self.telemetry.log(Line("drain_begun", {"reason": reason}))

    def _cause(self, now: float) -> Cause | None:
        turns, tally, throttle = self.turns, self.tally, self.turns.throttle
        return slowness.cause(
            Signs(
                is_away=turns.is_away,
                is_paused=turns.is_paused,
                is_held=throttle.pace.is_held(now),
                is_pressed=throttle.pace.is_pressed(now),
                is_capped=throttle.is_capped,
                has_limit=self.found.limit is not None or (throttle.limit is not None and not throttle.chance),
                is_refused=throttle.chance > 0,
                is_full=self.following is not None and self.following.delayed > 0,
                on_wire=len(tally.on_wire),
                most_on_wire=min(self.concurrency, turns.flight.cap(throttle.pace.rate)),
                is_reading=tally.is_reading,
                is_writing=tally.is_writing,
            )
        )

    @property
    def learned(self) -> Remembered:
        """What this run has learned about the service's rate."""
        return Remembered(self.found.limit, self._proof.rate)

    @property
    def rate(self) -> float:
        """Starts per second in the last ten seconds."""
        then, now = self._window
        return (now.started - then.started) / (now.at - then.at) if now.at > then.at else 0.0

    @property
    def speed(self) -> Speed:
        """How fast rows end, and the rate that the throttle limits them to, if it does."""
        then, now = self._window
        throttle = self.turns.throttle
        held_to = None
        if throttle.pace.is_pressed(now.at):
            held_to = throttle.pace.rate if throttle.is_capped else throttle.limit or throttle.pace.rate
        return Speed(now.sent - then.sent, now.at - then.at, held_to)

    @property
    def _window(self) -> tuple[_Look, _Look]:
        now = self._counted(self.world.monotonic())
        return (self._recent[0] if self._recent else now), now

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return self.world.monotonic() - self.begun

    @property
    def oldest(self) -> float | None:
        """For how many seconds the oldest request has been on the wire; None if there is none."""
        since = min(self.tally.on_wire.values(), default=None)
        return None if since is None else self.world.monotonic() - since

    @property
    def is_idle(self) -> bool:
        """Whether nothing is sent, for an unknown time."""
        return self.turns.is_paused or self.turns.is_away

    @property
    def state(self) -> str:
        """What slows the run, in a few words; empty if nothing does."""
        now = self.world.monotonic()
        out_since = self.turns.health.out_since
        away = "" if out_since is None else f"service unavailable for {now - out_since:,.0f} s"
        if self.turns.is_paused:
            return f"paused, {away}" if away else "paused"
        cause = self._cause(now)
        return away or ("" if cause is None else f"slowed by {cause.words}")

    def answer(self, question: Mapping[str, Json]) -> Mapping[str, Json]:
        """Do what another process asks of this run. Return what was done, or the figures."""
        if question.get("do") == "look":
            return document(self.figures())
        said = self._done(question)
        if not said:
            return {"error": orders.UNKNOWN}
        self.telemetry.log(Line("steered", {"said": said}))
        self.world.voice.say(f"asked to {question['do']}: {said}")
        return {"said": said}

    def _done(self, question: Mapping[str, Json]) -> str:
        match question:
            case {"do": "rate", "value": None | int() | float() as value} if value is None or value > 0:
                return self._cap(value)
            case {"do": "pause"}:
                self.turns.is_paused = True
                return orders.PAUSED
            case {"do": "resume"}:
                self.turns.is_paused = False
                return orders.RESUMED
            case {"do": "drain"}:
                self.turns.drain.begin(ExitCode.STOPPED)
                return orders.DRAINED
        return ""

    def _cap(self, rate: float | None) -> str:
        self.most, said = orders.capped(rate, self.max_rate)
        self.turns.throttle.cap(self.world.monotonic(), self.most)
        return said
