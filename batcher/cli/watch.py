"""The watch over a run: what is decided about its rate, what slows it, and how a person may change that meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batcher.cli.console import say
from batcher.flow.turns import Turns
from batcher.model import ExitCode, Json
from batcher.rules import events
from batcher.rules.events import Event, Kind
from batcher.rules.slowness import Cause, Slowness
from batcher.rules.tally import Tally

LOOK_SECONDS = 0.2
RECENT = 50
"""Looks that make the rate of now: ten seconds' worth."""
NOTABLE = 0.8
"""A cut is said when it goes below this part of the highest rate since the last that was said."""


@dataclass(slots=True)
class Watch:
    """Looks at a run a few times a second."""

    tally: Tally
    turns: Turns
    max_rate: float
    """The cap that the run was started with."""
    slowness: Slowness = field(default_factory=Slowness)
    _said: float = field(default=0.0, init=False)
    _recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RECENT), init=False)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Look on while the block lasts."""
        task = asyncio.create_task(self._look_on(), name="watch")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._look()
            self.slowness.turn(time.monotonic(), None)

    async def _look_on(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        now = time.monotonic()
        self.slowness.turn(now, self._cause(now))
        self._recent.append((now, self.tally.started))
        while self.turns.decisions:
            event = self.turns.decisions.popleft()
            if self._is_notable(event):
                say(events.sentence(event, datetime.now().astimezone() - timedelta(seconds=now - event.at)))

    def _is_notable(self, event: Event) -> bool:
        """Tell whether a person wants to know: not each rise, and not each of the small cuts about a known limit."""
        if event.kind is not Kind.RATE:
            return True
        if event.after < NOTABLE * self._said:
            self._said = event.after
            return True
        if self._said == 0.0 or event.after > self._said:
            self._said = event.after
        return False

    def _cause(self, now: float) -> Cause | None:
        cause = self.turns.slowed_by(now)
        if cause is not None or self.tally.in_flight:
            return cause
        if self.tally.is_reading:
            return Cause.MANIFEST
        return Cause.DISK if self.tally.is_writing else None

    @property
    def rate(self) -> float:
        """Starts a second of the last seconds."""
        if not self._recent:
            return 0.0
        then, started = self._recent[0]
        seconds = time.monotonic() - then
        return (self.tally.started - started) / seconds if seconds > 0 else 0.0

    @property
    def state(self) -> str:
        """Say in a word or two what keeps the run from its full speed; empty where nothing does."""
        now = time.monotonic()
        if self.turns.is_paused:
            return "paused"
        if self.turns.health.out_since is not None:
            return f"the service is away for {now - self.turns.health.out_since:,.0f} s"
        cause = self._cause(now)
        return "" if cause is None else cause.value

    def answer(self, question: Mapping[str, Json]) -> Mapping[str, Json]:
        """Do what another process asks of this run, and say what was done."""
        if question.get("do") == "look":
            return self._figures()
        said = self._done(question)
        return {"said": said} if said else {"error": "this run does not know what is asked"}

    def _done(self, question: Mapping[str, Json]) -> str:
        match question:
            case {"do": "rate", "value": None}:
                self.turns.throttle.cap(time.monotonic(), self.max_rate)
                return "the rate is found by itself again"
            case {"do": "rate", "value": int() | float() as rate} if rate > 0:
                most = min(rate, self.max_rate)
                self.turns.throttle.cap(time.monotonic(), most)
                return f"at most {most:g} starts a second" + (", as --max-rate has it" if most < rate else "")
            case {"do": "pause"}:
                self.turns.is_paused = True
                return "paused: nothing new is sent; requests on the wire come to their end"
            case {"do": "resume"}:
                self.turns.is_paused = False
                return "going on"
            case {"do": "drain"}:
                self.turns.drain.begin(ExitCode.STOPPED)
                return "draining: the run ends when what is on the wire has ended"
        return ""

    def _figures(self) -> Mapping[str, Json]:
        return {
            "rate": round(self.rate, 1),
            "pace": round(self.turns.throttle.pace.rate, 1),
            "limit": self.turns.throttle.limit,
            "in_flight": self.tally.in_flight,
            "requests": self.tally.requests,
            "retries": self.tally.retries,
            "state": self.state,
        }
