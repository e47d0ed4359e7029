"""The manifest as a run reads it: where the unsettled part begins, and how far the reading is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import orjson

from batcher import __version__
from batcher.app.job_files import Files
from batcher.app.monitor import Monitor
from batcher.app.world import World
from batcher.edges.checkpoint.facts import PREFIX
from batcher.edges.manifest import AnyManifest, format_of
from batcher.flow import engine
from batcher.model import BEGINNING, Parameter, Status
from batcher.options.verbs import RunOptions
from batcher.rules.rows import admission
from batcher.rules.rows.settled_prefix import Prefix, decoded, is_passable


async def enter(
    options: RunOptions, manifest: AnyManifest, files: Files, parameters: Mapping[str, Parameter] | None
) -> Mapping[Status, int]:
    """Skip the settled prefix of an unchanged manifest. Return how the skipped rows stand.

    If anything may differ, every row is read. `parameters` are those that cells are converted by.
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
            # This run may send rows of the prefix again, so it must be gone before the first of them is sent.
            await checkpoint.remember({PREFIX: ""})
    await checkpoint.enter(prefix.mark.rows)
    files.follow(manifest, prefix)
    return prefix.counts


async def rows_of(
    options: RunOptions,
    world: World,
    manifest: AnyManifest,
    monitor: Monitor,
    parameters: Mapping[str, Parameter] | None,
) -> AsyncIterator[engine.Block]:
    """Read the rows in a thread, and count them. The counts also say whether the run waits for the next ones.

    Raises what `AnyManifest.blocks` raises.
    """
    blocks = manifest.blocks(bucket=options.bucket, static_inputs=options.inputs, parameters=parameters)
    tally = monitor.tally
    tally.is_reading = True
    async for block in world.read_ahead(_counted(blocks, manifest, monitor)):
        tally.is_reading = False
        yield block
        tally.is_reading = True
    tally.is_reading = False


def _reading(options: RunOptions, parameters: Mapping[str, Parameter]) -> str:
    """Return everything that decides which rows a manifest's bytes make."""
    types = {name: parameter.type for name, parameter in parameters.items()}
    choice = [options.keep_placeholders, sorted(options.storage_classes)]
    format_ = format_of(options.manifest, options.format)
    return orjson.dumps([__version__, format_, choice, options.bucket, options.inputs, types]).decode()


def _counted(blocks: Iterator[engine.Block], manifest: AnyManifest, monitor: Monitor) -> Iterator[engine.Block]:
    for block in blocks:
        monitor.tally.parsed += len(block)
        monitor.lines_parsed = manifest.lines_before + block[-1].line
        yield block
    monitor.tally.is_parsed = True
