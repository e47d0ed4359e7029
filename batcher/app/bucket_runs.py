"""What a command does with the address of a bucket: lists it, and for a run hands on the list as the manifest."""

from __future__ import annotations

from pathlib import Path

from batcher.app.bucket_service import BucketPlace, obs_endpoint
from batcher.app.heads import need_objects, place_of
from batcher.app.object_list import ListJob, make_list
from batcher.app.whole_list import ONLY_LISTS, RunT, asks_bucket, with_asked
from batcher.app.world import World
from batcher.edges.run_folder import is_run_folder
from batcher.errors import ExitCode, JobError
from batcher.flow.drain import Drain
from batcher.options import groups
from batcher.options.bucket_list import address_in
from batcher.options.groups import CHECKPOINT
from batcher.options.listing import ListCommandOptions
from batcher.options.verbs import RunOptions
from batcher.rules.bucket.filters import Wanted

MOST_SIDE_BY_SIDE = 16
"""The most groups that a run lists side by side, whatever its concurrency is."""


async def list_command(options: ListCommandOptions, world: World, drain: Drain) -> ExitCode:
    """List a bucket into a file of the user's choice."""
    address = address_in(options.address)
    assert address is not None  # noqa: S101 - the kind of the option has looked
    job = ListJob(
        address,
        Path(options.output),
        BucketPlace(obs_endpoint(options.endpoint), options, options.allow_http),
        _wanted(options, options.storage_classes),
        options.delimiter or "",
        relist=options.relist,
        side_by_side=options.concurrency,
    )
    with world.draining_on_signals(drain.begin, world.voice.say):
        return await make_list(job, world, drain)


async def listed(options: RunT, world: World, drain: Drain) -> RunT | ExitCode:
    """Return the options of a run with the list of its bucket as the manifest, made first if it is not complete.

    With --head, a sample of the list's objects has been looked at. Returns the options without those that only matter
    here, and the exit code if the drain begins before the list is complete. Raises what `make_list` and `need_objects`
    raise, and UsageError for a file that is a list which is not complete.
    """
    if not asks_bucket(options):
        return with_asked(options)
    address = address_in(options.manifest)
    if address is not None:
        path = _beside_checkpoint(options)
        job = ListJob(
            address,
            path,
            place_of(options, options.max_outage),
            _wanted(options, options.storage_classes),
            options.delimiter or "",
            relist=options.relist,
            side_by_side=min(options.concurrency, MOST_SIDE_BY_SIDE),
        )
        with world.draining_on_signals(drain.begin, world.voice.say):
            code = await make_list(job, world, drain)
        if code is not ExitCode.OK:
            return code
        gone = {"manifest", "storage_classes", *(each.name for each in ONLY_LISTS)}
        kept = {name: value for name, value in vars(options).items() if name not in gone}
        options = options.of({**kept, "manifest": path})
    if options.head and not options.checkpoint.exists() and not is_run_folder(options.run_dir):
        with world.draining_on_signals(drain.begin, world.voice.say):
            await need_objects(options, place_of(options, options.max_outage), world, drain)
        if drain.begun:
            if isinstance(drain.reason, JobError):
                raise drain.reason
            return ExitCode(drain.reason or ExitCode.STOPPED)
    return with_asked(options)


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
