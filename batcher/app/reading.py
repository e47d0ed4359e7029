"""The manifest as a run reads it: from where what is left of it begins, and how far the reading is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import orjson

from batcher import __version__
from batcher.app.job_files import Files
from batcher.app.monitor import Watch
from batcher.app.world import World
from batcher.edges.checkpoint.facts import PREFIX
from batcher.edges.manifest import AnyManifest, format_of
from batcher.flow import engine
from batcher.model import BEGINNING, Parameter, Status
from batcher.options.verbs import RunOptions
from batcher.rules.rows import admission
from batcher.rules.rows.settled_prefix import Frontier, Prefix, decoded, is_passable


async def enter(
    options: RunOptions, manifest: AnyManifest, files: Files, parameters: Mapping[str, Parameter] | None
) -> Mapping[Status, int]:
    """Pass over what is settled of a manifest that is as it was; give how these rows stand.

    Where something may differ, every row is read. `parameters` are those that cells are converted by.
    """
    checkpoint = files.checkpoint
    reading = _reading(options, parameters or {})
    prefix = Prefix(BEGINNING, {}, reading)
    kept = await checkpoint.recall(PREFIX)
    if kept:
        earlier = decoded(str(kept))
        may_pass = is_passable(earlier, reading, admission.left_alone(options.policy))
        if may_pass and await asyncio.to_thread(manifest.enter, earlier.mark):
            prefix = earlier
        else:
            # This run may send rows of it again, so it must not outlive the first of them.
            await checkpoint.remember({PREFIX: ""})
    await checkpoint.enter(prefix.mark.rows)
    files.frontier = Frontier(prefix)
    files.first_unnamed = lambda: manifest.first_unnamed
    return prefix.counts


async def rows_of(
    options: RunOptions, world: World, manifest: AnyManifest, watch: Watch, parameters: Mapping[str, Parameter] | None
) -> AsyncIterator[engine.Block]:
    """Read the rows, in a thread of their own; note how many there were, and whether somebody waits for more.

    Raises what `AnyManifest.blocks` raises.
    """
    blocks = manifest.blocks(bucket=options.bucket, static_inputs=options.inputs, parameters=parameters)
    tally = watch.tally
    tally.is_reading = True
    async for block in world.read_ahead(_counted(blocks, manifest, watch)):
        tally.is_reading = False
        yield block
        tally.is_reading = True
    tally.is_reading = False


def _reading(options: RunOptions, parameters: Mapping[str, Parameter]) -> str:
    """Give all that decides what the rows of a manifest's bytes are."""
    types = {name: parameter.type for name, parameter in parameters.items()}
    choice = [options.keep_placeholders, sorted(options.storage_classes)]
    format_ = format_of(options.manifest, options.format)
    return orjson.dumps([__version__, format_, choice, options.bucket, options.inputs, types]).decode()


def _counted(blocks: Iterator[engine.Block], manifest: AnyManifest, watch: Watch) -> Iterator[engine.Block]:
    for block in blocks:
        watch.tally.parsed += len(block)
        watch.lines_parsed = manifest.lines_before + block[-1].line
        yield block
    watch.tally.is_parsed = True
