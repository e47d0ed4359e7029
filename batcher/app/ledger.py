"""What `batcher ledger` does: adds what jobs have started to a ledger, and shows what a ledger has."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from batcher.app.job_places import checkpoint_of
from batcher.app.run_folder import checkpoints_of
from batcher.app.sharing import BATCH, UNSETTLED, enter_rows
from batcher.app.world import World
from batcher.edges.checkpoint import reading
from batcher.edges.checkpoint.facts import JOB_ID, LEDGER
from batcher.edges.checkpoint.places import is_database
from batcher.edges.records import held_reading
from batcher.edges.row_ledger import Known, Ledger, Member, Store, Totals, open_ledger
from batcher.edges.run_folder import is_run_folder
from batcher.errors import UsageError
from batcher.model import Record, Status
from batcher.options.ledgers import LedgerOptions
from batcher.rules.choices import Api
from batcher.rules.rows.identity import canonical, content_key
from batcher.rules.rows.sharing import Entry, Target, entry_of, target_of
from batcher.rules.service.dialects import dialect_of
from batcher.rules.text import printable

_OF_OTHER_ROWS = frozenset({Status.DUPLICATE, Status.INVALID})
"""The statuses of records that say nothing about their own content."""


class Contents(NamedTuple):
    """What a ledger has: the starts by target, and the starts and claims of each job."""

    targets: list[tuple[Target, int]]
    jobs: list[Totals]


def contents(path: Path) -> Contents:
    """Read a ledger. Raises what opening it raises; it must exist."""
    store = Store.open(path, is_new_allowed=False)
    try:
        # A job that crashed before its first commit has left its name only.
        return Contents(store.targets(), [each for each in store.totals() if each.starts or each.claims])
    finally:
        store.close()


async def import_jobs(options: LedgerOptions, world: World) -> None:
    """Add what jobs have started, and the rows that they may have started, to a ledger. May be repeated.

    Raises UsageError for what is no job and no records, and what reading these raises.
    """
    if not options.jobs:
        raise UsageError("no job given", "Name the checkpoints, run folders or records to import.")
    async with open_ledger(options.ledger) as ledger:
        for path in options.jobs:
            found = checkpoint_of(path)
            if is_run_folder(found) or is_database(found):
                for checkpoint in checkpoints_of(found):
                    world.voice.say(f"{checkpoint}: {_told(await _import_checkpoint(ledger, checkpoint))}")
            else:
                world.voice.say(f"{path}: {_told(await _import_records(ledger, path, options))}")


def _told(counts: Counter[Entry]) -> str:
    claims = f"{counts[Entry.CLAIMED]:,} on the wire or in doubt"
    return f"imported: {counts[Entry.STARTED]:,} started, {claims}"


async def _import_checkpoint(ledger: Ledger, path: Path) -> Counter[Entry]:
    """Add what a checkpoint knows. Of a job that writes its own claims to this ledger, none is removed."""
    with reading(path) as kept:
        member = Member(str(kept.facts.get(JOB_ID) or _name_of(path)), path, target_of(kept.card))
        is_joined = kept.facts.get(LEDGER) == ledger.id
        unsettled, counts = kept.unsettled(UNSETTLED), kept.count()
    await ledger.do(lambda store: store.enter(member))
    await enter_rows(ledger, path, unsettled, brings_all=True, is_newest=True, may_drop=not is_joined)
    entries: Counter[Entry] = Counter()
    for status, count in counts.items():
        entries[entry_of(status)] += count
    return entries


async def _import_records(ledger: Ledger, path: Path, options: LedgerOptions) -> Counter[Entry]:
    """Add the starts of records, which have no inputs: each row is taken to have had those of the options."""
    member = Member(_name_of(path), path, _target(path, options))
    inputs = canonical(options.inputs)
    entries: Counter[Entry] = Counter()
    claimed: dict[bytes, Known] = {}
    with held_reading(path, 0) as records:
        await ledger.do(lambda store: store.enter(member))
        known = (_known(record, inputs) for _, record in records if record.status not in _OF_OTHER_ROWS)
        while batch := list(islice(known, BATCH)):
            for each in batch:
                # The last record of a row counts.
                claimed.pop(each.key, None)
                if each.entry is Entry.CLAIMED:
                    claimed[each.key] = each
            entries.update(each.entry for each in batch)
            await ledger.do(partial(Store.add, known=[each for each in batch if each.entry is Entry.STARTED]))
    stale = [claim.row for claim in await ledger.do(lambda store: store.claims())]
    await ledger.do(lambda store: store.renew(stale, claimed.values()))
    entries[Entry.CLAIMED] = len(claimed)
    return entries


def _name_of(path: Path) -> str:
    """Return what stands for the random id of a job that has none."""
    return f"file {printable(os.path.realpath(path))}"


def _known(record: Record, inputs: bytes) -> Known:
    key = content_key(record.bucket, record.object, inputs)
    return Known(record.row, key, entry_of(record.status), record.execution_name or "")


def _target(path: Path, options: LedgerOptions) -> Target:
    """Return what the rows of records were started with. Raises UsageError if that is not given, or not valid."""
    if options.workflow is None or options.endpoint is None:
        raise UsageError(
            f"{path}: there is no checkpoint beside these records, and they do not name their workflow",
            "Give --workflow and --endpoint, and --input for each input that all rows had. If rows had inputs of their"
            " own, batcher recover rebuilds the checkpoint, which can then be imported.",
        )
    dialect = dialect_of(Api.OBS_V2 if options.project_id is None else Api.DWR_V3)
    url = dialect.endpoint(options.endpoint, allow_http=True).url
    return Target(dialect.name, url, options.project_id or "", options.workflow)
