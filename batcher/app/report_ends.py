"""How the executions of a job ended, for its report: from the file of the ends, and from the end records."""

from __future__ import annotations

from pathlib import Path

from batcher.app.end_files import LENGTH, OUTPUT
from batcher.app.voice import Voice
from batcher.edges.checkpoint.places import folder_of
from batcher.edges.ends import database_of, reading_ends
from batcher.edges.records import reading_lines
from batcher.rules.ends.record import END_CODECS
from batcher.rules.report.ends import EndDigest, Ends, ends


def ends_of(job: Path, voice: Voice) -> Ends | None:
    """Return how the executions of a job ended, None if no watch has followed them.

    Memory does not grow with their number. Raises what reading the files raises, and warns of end records that are
    missing.
    """
    with reading_ends(database_of(job)) as store:
        if store is None:
            return None
        digest, facts = EndDigest(), store.facts()
        for end, bucket, object_ in store.ended():
            digest.add_to_prefix(end, bucket, object_)
        path = folder_of(database_of(job)) / str(facts.get(OUTPUT, ""))
        if path.is_file():
            with reading_lines(path, int(facts.get(LENGTH, 0)), END_CODECS) as records:
                for _, record in records:
                    digest.add(record)
        elif OUTPUT in facts:
            voice.warn(f"{path}: the end records are missing, and so are the times of the ends")
        return ends(store.ends, store.running, store.causes(), digest)
