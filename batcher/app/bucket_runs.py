"""What a command does with the address of a bucket: lists it, and for a run hands on the list as the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from batcher.app.object_list import ListJob, make_list, obs_endpoint
from batcher.app.world import World
from batcher.edges.object_list import is_unfinished
from batcher.errors import ExitCode, UsageError
from batcher.flow.drain import Drain
from batcher.options import groups
from batcher.options.bucket_list import address_in
from batcher.options.declaring import declared_by
from batcher.options.groups import CHECKPOINT
from batcher.options.listing import ListCommandOptions
from batcher.options.verbs import BucketEndpoint, RunOptions
from batcher.rules.bucket.filters import Wanted

MOST_SIDE_BY_SIDE = 16
"""The most groups that a run lists side by side, whatever its concurrency is."""

RunT = TypeVar("RunT", bound=RunOptions)
_ONLY_LISTS = declared_by(BucketEndpoint)


async def list_command(options: ListCommandOptions, world: World, drain: Drain) -> ExitCode:
    """List a bucket into a file of the user's choice."""
    address = address_in(options.address)
    assert address is not None  # noqa: S101 - the kind of the option has looked
    job = ListJob(
        address,
        Path(options.output),
        obs_endpoint(options.endpoint),
        _wanted(options, options.storage_classes),
        options,
        options.delimiter or "",
        relist=options.relist,
        allow_http=options.allow_http,
        side_by_side=options.concurrency,
    )
    with world.draining_on_signals(drain.begin, world.voice.say):
        return await make_list(job, world, drain)


def need_address(options: RunOptions) -> None:
    """Raise UsageError if an option about the objects of a bucket is given without the address of one."""
    given = next((each for each in _ONLY_LISTS if options.has(each.name) and getattr(options, each.name)), None)
    if given is not None and address_in(options.manifest) is None:
        raise UsageError(f"{given.flag}: only for a manifest obs://BUCKET/PREFIX", "Remove it, or list the bucket.")


def need_whole_list(manifest: Path | None) -> None:
    """Raise UsageError for the list of a bucket that is not complete: a part of it would pass for the whole."""
    if manifest is None:
        return
    address = address_in(manifest)
    if address is not None and not manifest.exists():
        raise UsageError(f"{address}: not listed yet", f"List it first: batcher list {address} -o {manifest}.")
    if is_unfinished(manifest):
        raise UsageError(
            f"{manifest}: the list of the bucket is not complete", "Run the command again that lists the bucket."
        )


async def listed(options: RunT, world: World, drain: Drain) -> RunT | ExitCode:
    """Return the options of a run with the list of its bucket as the manifest, made first if it is not complete.

    Returns the options as they are if the manifest is a file, and the exit code if the drain begins before the list is
    complete. Raises what `make_list` raises, and UsageError for a file that is a list which is not complete.
    """
    need_address(options)
    address = address_in(options.manifest)
    if address is None or options.manifest is None:
        need_whole_list(options.manifest)
        return options
    path = _beside_checkpoint(options)
    endpoint = options.bucket_endpoint or obs_endpoint(options.endpoint)
    job = ListJob(
        address,
        path,
        endpoint,
        _wanted(options, options.storage_classes),
        options,
        options.delimiter or "",
        relist=options.relist,
        allow_http=options.allow_http,
        side_by_side=min(options.concurrency, MOST_SIDE_BY_SIDE),
        max_outage=options.max_outage,
    )
    with world.draining_on_signals(drain.begin, world.voice.say):
        code = await make_list(job, world, drain)
    if code is not ExitCode.OK:
        return code
    gone = {"manifest", "storage_classes", *(each.name for each in _ONLY_LISTS)}
    kept = {name: value for name, value in vars(options).items() if name not in gone}
    return options.of({**kept, "manifest": path})


def _beside_checkpoint(options: RunOptions) -> Path:
    """Return where the list of a run is: named by its checkpoint if that is given, else by the address."""
    if options.has("checkpoint"):
        return Path(f"{str(options.checkpoint).removesuffix(CHECKPOINT)}.objects.csv")
    return Path(str(options.manifest))


def _wanted(options: groups.Wanted, storage_classes: frozenset[str]) -> Wanted:
    return Wanted(
        options.include,
        options.exclude,
        options.suffixes,
        options.min_size,
        options.max_size,
        options.newer,
        options.older,
        storage_classes,
    )
