"""The report of a job: one page, made from its checkpoint and its records."""

from __future__ import annotations

import time
from pathlib import Path

from batcher.app.history import must_differ
from batcher.app.job_files import rate_of
from batcher.app.job_identity import job_of
from batcher.app.report_ends import ends_of
from batcher.app.run_folder import pasts, shards_of
from batcher.app.voice import TERMINAL, Voice
from batcher.edges.checkpoint.facts import LIMIT, RUNS, SLOWED
from batcher.edges.whole_file import whole_file
from batcher.model import Status
from batcher.rules.job import runs as job_runs
from batcher.rules.rate.bottleneck import decoded, together
from batcher.rules.report.digest import Digest
from batcher.rules.report.page import NAMED, Known, page


def write_report(checkpoint: Path, output: Path, voice: Voice = TERMINAL) -> None:
    """Write the report of a job, and say where it is. Raises JobError if a file cannot be read or written."""
    # Imported late: only this needs it.
    from batcher.edges.report import render  # noqa: PLC0415

    digest, limits, slowed, runs, looks = Digest(), [], [], [], {}
    for past in pasts(checkpoint, voice):
        must_differ(output, *past.paths)
        for record in past.records():
            digest.add(record)
        limits.append(rate_of(past.checkpoint.facts.get(LIMIT)))
        slowed.append(decoded(past.checkpoint.facts.get(SLOWED)))
        runs.append(job_runs.decoded(past.checkpoint.facts.get(RUNS)))
        looks[past.checkpoint.path] = past.checkpoint.glance()
    shards = shards_of(checkpoint, looks)
    for fault in () if shards is None else shards.faults:
        voice.warn(f"the totals do not add up: {fault}")
    seen = looks[checkpoint] if shards is None else shards.as_one
    found = [limit for limit in limits if limit is not None]
    known = Known(
        job=job_of(seen.card, checkpoint) if shards is None else shards.job,
        running=seen.running,
        read_whole=seen.read_whole,
        length=seen.length,
        counts=seen.counts,
        in_doubt=[row for row in seen.unsettled if row.status is Status.IN_DOUBT or not seen.running][:NAMED],
        limit=sum(found) if len(found) == len(limits) else None,
        slowed=together(slowed),
        at=time.time(),
        ends=ends_of(checkpoint, voice),
        remarks=() if seen.canary is None else (seen.canary.words,),
        history=job_runs.together(runs),
    )
    with whole_file(output) as file:
        file.write(render(page(known, digest)))
    voice.say(f"report:     {output}")
