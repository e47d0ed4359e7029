"""The two files of a job together: records are on the disk before the verdicts that rely on them are committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from batcher.app.world import World
from batcher.edges.checkpoint import Checkpoint, Header
from batcher.edges.records import Output, open_output
from batcher.errors import UsageError
from batcher.flow.repair import LEFT_OPEN, resume
from batcher.model import BEGINNING, Record, Settlement
from batcher.rules.rows.settled_prefix import Frontier, Prefix, encoded

OUTPUT = "output"
LENGTH = "length of "
LIMIT = "limit in millistarts a second"
MANIFEST = "manifest"
BUCKET = "bucket"
PREFIX = "settled prefix"
"""The facts that a checkpoint keeps of its job, by name; `LENGTH` goes before an output's path."""


PassOn = Callable[[Sequence[Record]], Awaitable[None]]


class Files:
    """An open checkpoint with its open output."""

    def __init__(
        self, checkpoint: Checkpoint, output: Output, output_path: Path, pass_on: PassOn | None = None
    ) -> None:
        self.checkpoint = checkpoint
        self.output_path = output_path
        self.limit: Callable[[], float | None] = lambda: None
        """Gives the rate that the service was found to take, in starts a second, None while it is not known."""
        self.frontier = Frontier(Prefix(BEGINNING, {}, ""))
        """Follows the reading of the manifest, where there is one."""
        self._output = output
        self._length_name = _length_of(output_path)
        self._pass_on = pass_on

    async def settle(
        self, settlements: Sequence[Settlement], records: Sequence[Record] = (), doubt_at: float | None = None
    ) -> None:
        """Put records on the disk, then note how rows stand; and pass the records on to whoever waits for them.

        Those in doubt were not sent after `doubt_at`, in POSIX seconds by the service's clock, where that is known.
        """
        block = self._output.compose(records)
        facts: dict[str, str | int] = {self._length_name: self._output.length}
        limit = self.limit()
        if limit is not None:
            facts[LIMIT] = round(limit * 1000)
        if self.frontier.settled(settlements):
            facts[PREFIX] = encoded(self.frontier.prefix)
        append = partial(self._output.append, block) if block else None
        await self.checkpoint.settle(settlements, facts, doubt_at, append)
        if self._pass_on is not None and records:
            await self._pass_on(records)

    async def kept_limit(self) -> float | None:
        """Give the limit that an earlier run has found."""
        kept = await self.checkpoint.recall(LIMIT)
        return None if kept is None else int(kept) / 1000

    async def repair(self, now: float) -> None:
        """Settle what an interrupted run left between an intent and a verdict; `now` is POSIX seconds."""
        left = await self.checkpoint.unsettled(LEFT_OPEN)
        await resume(left, self._output.recovered, self.settle, now)


@asynccontextmanager
async def open_files(  # noqa: PLR0913, PLR0917 - all that makes a job's files
    checkpoint_path: Path,
    header: Header | None,
    output_path: Path | None,
    world: World,
    about: Mapping[str, str] | None = None,
    pass_on: PassOn | None = None,
) -> AsyncIterator[Files]:
    """Hold a job's files for one run, and repair what an interrupted run left.

    Without an output path it is the one that the checkpoint remembers. `about` are more facts for it to remember.
    Records are passed on once they are on the disk. Raises what opening either file raises.
    """
    async with world.open_checkpoint(checkpoint_path, header) as checkpoint:
        if output_path is None:
            kept = await checkpoint.recall(OUTPUT)
            if kept is None:
                raise UsageError(f"{checkpoint_path}: this checkpoint has no output yet", "Run the job first.")
            output_path = Path(str(kept))
        known = await checkpoint.recall(_length_of(output_path))
        async with open_output(output_path, None if known is None else int(known)) as output:
            # Before the first record, so that a crash after it does not leave an output that nobody knows.
            facts: dict[str, str | int] = {**(about or {}), OUTPUT: str(output_path.absolute())}
            await checkpoint.remember(facts | ({_length_of(output_path): 0} if known is None else {}))
            files = Files(checkpoint, output, output_path, pass_on)
            await files.repair(world.clock())
            yield files


def _length_of(output_path: Path) -> str:
    return f"{LENGTH}{output_path.absolute()}"
