"""The watch of a canary: follows its executions alone until none of them runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from batcher.app.end_files import EndFiles
from batcher.app.watch import open_watch
from batcher.app.world import World
from batcher.edges.progress import showing
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.watch import Ended
from batcher.options.declaring import declared_by
from batcher.options.verbs import RunOptions
from batcher.options.watching import WatchOptions
from batcher.rules.doubts.control import Control
from batcher.rules.ends import canary, summary
from batcher.rules.ends.followed import Known
from batcher.rules.progress.view import View

INTERVAL = 60.0
"""The longest time between two looks in seconds, unless the user gives another one: a whole list waits for them."""
VIEW = View(canary.shown, canary.figures_of)


class Chosen:
    """Some of the executions of a job, as all of them are followed: those with these names."""

    def __init__(self, ends: EndFiles, names: Sequence[str]) -> None:
        self._ends = ends
        self._names = list(names)
        self._runs: dict[str, Known] = {}
        self.ends: Counter[str] = Counter()
        """The number of executions by how they ended."""

    @property
    def running(self) -> int:
        """The number of executions that run."""
        return len(self._names) - self.ends.total()

    @property
    def controls(self) -> Sequence[Control]:
        """Starts of the job that were answered."""
        return self._ends.controls

    def __len__(self) -> int:
        # What a look marks as shown is an id, which may be that of any execution of the job.
        return len(self._ends)

    async def renew(self) -> bool:
        """Take in what was started. Return False: no more of these are started."""
        await self._ends.renew()
        found = await self._ends.find(self._names)
        self._runs = {name: each for name, each in found.items() if each.end is None}
        self.ends = Counter(each.end for each in found.values() if each.end is not None)
        return False

    def running_times(self) -> Iterator[float]:
        """Yield when each running execution started, in order."""
        yield from sorted(each.at for each in self._runs.values())

    def running_but(self, shown: bytearray, last: int, most: int) -> list[Known]:
        """Return running executions with ids up to `last` whose bit is not set, the earliest first."""
        hidden = (
            each for each in self._runs.values() if each.id <= last and not shown[each.id >> 3] >> (each.id & 7) & 1
        )
        return sorted(hidden, key=lambda each: each.at)[:most]

    async def find(self, names: Sequence[str]) -> Mapping[str, Known]:
        """Return those of the executions that are followed."""
        return {name: self._runs[name] for name in names if name in self._runs}

    async def settle(self, ended: Sequence[Ended]) -> None:
        """Record ends, so that they outlast this process."""
        await self._ends.settle(ended)
        for each in ended:
            del self._runs[each.known.name]
            self.ends[each.end] += 1

    def unasked(self, ends: Sequence[str]) -> Iterator[Known]:
        """Yield executions with these ends that were not asked for what failed."""
        names = set(self._names)
        return (each for each in self._ends.unasked(ends) if each.name in names)

    async def describe(self, described: Sequence[tuple[int, str, str]]) -> None:
        """Store what failed: the id of an execution, the state that failed, and its message."""
        await self._ends.describe(described)


async def watch_canary(options: RunOptions, names: Sequence[str], world: World, drain: Drain) -> ExitCode | None:
    """Follow the executions of a canary until none runs. Return None then, else why it was stopped.

    Raises JobError if that is impossible, or if the service refuses to list executions.
    """
    voice = world.voice
    with world.draining_on_signals(drain.begin, voice.say):
        opening = open_watch(_watch_options(options), world, drain, narrowed=lambda ends: Chosen(ends, names))
        async with opening as opened:
            watch = opened.watch
            await watch.ends.renew()
            if watch.ends.running:
                await contact(opened.service.workflow, drain, world.draw, world.monotonic)
            async with showing(options.progress, watch.figures, VIEW):
                await watch.until_ended()
    if isinstance(drain.reason, JobError):
        raise drain.reason
    if drain.reason is not None:
        voice.say(summary.NEXT.get(drain.reason, summary.NEXT[ExitCode.DEADLINE]))
    return drain.reason


def _watch_options(options: RunOptions) -> WatchOptions:
    """Return the options of a watch that those of a run imply. Its deadline is for the watch of the whole job."""
    names = {each.name for each in declared_by(WatchOptions)} - {"output", "spreadsheet", "checkpoint", "deadline"}
    given = {name: value for name, value in vars(options).items() if name in names}
    return WatchOptions.of({"interval": INTERVAL, **given, "checkpoint": options.checkpoint})
