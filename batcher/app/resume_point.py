"""Where a run begins to read its manifest: after the settled prefix, if the manifest is unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson

from batcher.app.job_files import Files
from batcher.app.look import splitting
from batcher.edges.checkpoint.facts import ASCENT, PREFIX
from batcher.edges.manifest import AnyManifest
from batcher.model import BEGINNING, Parameter, Status
from batcher.options.verbs import RunOptions
from batcher.rules.rows import admission
from batcher.rules.rows.settled_prefix import Prefix, decoded, is_passable, with_ascent


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
            ascent = await checkpoint.recall(ASCENT)
            prefix = with_ascent(earlier, str(ascent)) if ascent else earlier
        else:
            # This run may send rows of the prefix again, so it must be gone before the first of them is sent.
            await checkpoint.remember({PREFIX: ""})
    await checkpoint.enter(prefix.mark.rows, prefix.ascended)
    files.follow(manifest, prefix)
    return prefix.counts


def _reading(options: RunOptions, parameters: Mapping[str, Parameter]) -> str:
    """Return everything that decides which rows a manifest's bytes make."""
    types = {name: parameter.type for name, parameter in parameters.items()}
    choice = [options.keep_placeholders, sorted(options.storage_classes), sorted(options.ignore_columns)]
    return orjson.dumps([*splitting(options), choice, options.bucket, options.inputs, types]).decode()
