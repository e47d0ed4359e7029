"""`batcher ledger`: imports jobs into a ledger, and shows what it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batcher.errors import ExitCode, UsageError
from batcher.options.ledgers import LedgerOptions
from batcher.rules.choices import LedgerAction
from batcher.rules.text import counted

if TYPE_CHECKING:
    from batcher.app.ledger import Contents

OPTIONS = LedgerOptions

HELP = """Import what jobs have started into a ledger, or show what a ledger has.

\b
Examples:
  batcher ledger import objects.csv.checkpoint --ledger machine.ledger
  batcher ledger import */*.checkpoint big.csv.run --ledger machine.ledger
  batcher ledger status --ledger machine.ledger --json

Jobs that run with the same --ledger FILE start each row once: a row that another job has started is recorded as a
duplicate with its execution. A job that runs with a ledger for the first time brings its own starts; import adds those
of jobs that are not run again. It may be repeated, and during a run.
"""


def ledger(options: LedgerOptions) -> ExitCode:
    """Do what the action says."""
    if options.action is LedgerAction.IMPORT:
        import asyncio

        from batcher.app.ledger import import_jobs
        from batcher.app.world import World

        asyncio.run(import_jobs(options, World()))
        return ExitCode.OK
    from batcher.app.ledger import contents

    if options.jobs:
        raise UsageError("status shows the whole ledger and takes no job", "Leave the jobs out.")
    found = contents(options.ledger)
    _show(options, found)
    return ExitCode.OK


def _show(options: LedgerOptions, found: Contents) -> None:
    from batcher.app.voice import show

    if options.as_json:
        targets = [{**target._asdict(), "started": count} for target, count in found.targets]
        jobs = [{"job": each.job, "started": each.starts, "open": each.claims} for each in found.jobs]
        print(json.dumps({"ledger": str(options.ledger), "targets": targets, "jobs": jobs}))
        return
    starts, claims = sum(each.starts for each in found.jobs), sum(each.claims for each in found.jobs)
    show(f"{options.ledger}: {counted(starts, 'row')} started, {claims:,} on the wire or in doubt")
    for target, count in found.targets:
        show(f"{count:>12,}  workflow {target.workflow} at {target.endpoint} (API {target.dialect})")
    for each in found.jobs:
        show(
            f"{each.starts:>12,}  job {each.job}"
            + (f", {each.claims:,} on the wire or in doubt" if each.claims else "")
        )
