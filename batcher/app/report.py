"""The report of a job: one page, made from its checkpoint and its records."""

from __future__ import annotations

import time
from pathlib import Path

from batcher.app.history import must_differ, open_past
from batcher.app.job_files import rate_of
from batcher.app.voice import TERMINAL, Voice
from batcher.edges.checkpoint.facts import LIMIT, SLOWED
from batcher.edges.whole_file import whole_file
from batcher.model import Status
from batcher.rules.rate.bottleneck import Slowed, decoded
from batcher.rules.report.digest import Digest
from batcher.rules.report.page import NAMED, Known, page


def write_report(checkpoint: Path, output: Path, voice: Voice = TERMINAL) -> None:
    """Write the report of a job, and say where it is. Raises JobError if a file cannot be read or written."""
    # Imported late: only this needs it.
    from batcher.edges.report import render  # noqa: PLC0415

    digest = Digest()
    with open_past(checkpoint, voice) as past:
        must_differ(output, *past.paths)
        for record in past.records():
            digest.add(record)
        kept = past.checkpoint
        doubtful = {Status.IN_DOUBT} if kept.running else {Status.IN_DOUBT, Status.SENDING}
        slowed = kept.facts.get(SLOWED)
        known = Known(
            job=past.job,
            running=kept.running,
            read_whole=kept.read_whole,
            length=kept.length,
            counts=kept.count(),
            in_doubt=kept.unsettled(doubtful, NAMED),
            limit=rate_of(kept.facts.get(LIMIT)),
            slowed=Slowed() if slowed is None else decoded(str(slowed)),
            at=time.time(),
        )
    with whole_file(output) as file:
        file.write(render(page(known, digest)))
    voice.say(f"report:     {output}")
