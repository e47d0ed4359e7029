"""The facts that a checkpoint keeps of its job beside the rows, by name.

Each is one sealed entry of the table `header`. Paths within them are kept as `places` says.
"""

from __future__ import annotations

CARD = "job card"
"""The job card, see `batcher.rules.job.card`."""
BUCKET_USED = "rows rely on the default bucket"
"""1 from the first admitted row on that names no bucket."""
READ_WHOLE = "the manifest was read to its end"
"""1 where the last run of the job's own manifest has read it to its end, 0 where it has not; absent: not known."""
OUTPUT = "output"
"""The output of the last run, which is the card's unless a side manifest had another."""
LENGTH = "length of "
"""Goes before the path of an output: the bytes of it that are durable."""
LIMIT = "limit in millistarts a second"
PREFIX = "settled prefix"
