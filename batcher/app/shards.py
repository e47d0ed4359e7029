"""What a run does about shards before it opens its files: which shard it is, the plan, and what must not be mixed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from batcher.edges.checkpoint import reading
from batcher.edges.checkpoint.places import is_database
from batcher.edges.manifest import files_of, format_of
from batcher.edges.run_folder import fingerprint_of, pin, plan_in
from batcher.errors import OtherJobError, UsageError
from batcher.options.groups import CHECKPOINT, Sharded
from batcher.rules.choices import Format
from batcher.rules.job.card import Card, difference
from batcher.rules.shards.assignment import assigned
from batcher.rules.shards.plan import Plan, need_same, plan_of

T = TypeVar("T", bound=Sharded)

_OWN_FILES = (("checkpoint", "--checkpoint"), ("output", "--output"))


def with_shard(options: T, environment: Mapping[str, str]) -> T:
    """Return the options with the shard that a scheduler has assigned, unless --shard gives one.

    Raises UsageError if the environment is contradictory or incomplete.
    """
    return options if options.shard is not None else options.but(shard=assigned(environment))


async def planned(options: Sharded, card: Card) -> Plan | None:
    """Return the plan of the sharded job that a command belongs to, None for a job without shards.

    Raises OtherJobError if the run folder is of another job, or if the rows of this one may be started by another job,
    and UsageError for files that are named although the run folder has them.
    """
    if options.shard is None:
        _need_unsharded(options, card)
        return None
    need_no_files(options)
    format_ = format_of(options.manifest, options.format)
    manifest = await asyncio.to_thread(fingerprint_of, _files(options.manifest, format_)) if options.manifest else None
    plan = plan_of(card, options.shard.of, format_, manifest)
    kept = plan_in(options.run_dir)
    if kept is None:
        _need_unstarted(options, card)
    else:
        need_same(kept, plan, str(options.run_dir))
    return plan


def need_no_files(options: Sharded) -> None:
    """Raise UsageError for files that are named although each shard has its own."""
    for name, flag in _OWN_FILES:
        if options.has(name):
            raise UsageError(
                f"{flag} and shards cannot be combined",
                "Each shard has its own checkpoint and output in the run folder. --run-dir DIR names the folder.",
            )


async def pinned(options: Sharded, plan: Plan | None) -> None:
    """Write the plan into the run folder, or compare. Raises what `pin` raises."""
    if plan is not None:
        await asyncio.to_thread(pin, options.run_dir, plan)


def _files(manifest: Path, format_: str) -> list[Path]:
    """Return the files that a manifest consists of."""
    if format_ != Format.INVENTORY:
        return [manifest]
    return [manifest, *(path for path in files_of(manifest).paths if path not in {None, manifest})]


def _need_unsharded(options: Sharded, card: Card) -> None:
    """Raise OtherJobError if shards of the same job have begun: this run would start their rows again."""
    if options.manifest is None:
        return
    plan = plan_in(options.run_dir)
    if plan is not None and _is_same_job(plan.card, card):
        raise OtherJobError(
            f"{options.run_dir}: this list is run in {plan.shards:,} shards, and this command names none",
            f"Give --shard I/{plan.shards}. Without the run folder, all rows of its shards would be started again.",
        )


def _need_unstarted(options: Sharded, card: Card) -> None:
    """Raise OtherJobError if a job without shards has begun with the same list: shards would start its rows again."""
    checkpoint = None if options.manifest is None else Path(f"{options.manifest}{CHECKPOINT}")
    if checkpoint is None or not is_database(checkpoint):
        return
    with reading(checkpoint) as kept:
        if _is_same_job(kept.card, card):
            raise OtherJobError(
                f"{checkpoint}: this list is run without shards, which would start its rows again",
                "Continue without --shard. To begin anew with shards, move the checkpoint and the output away.",
            )


def _is_same_job(kept: Card, wanted: Card) -> bool:
    return difference(kept, structs.replace(wanted, shard=""), is_bucket_used=False) is None
