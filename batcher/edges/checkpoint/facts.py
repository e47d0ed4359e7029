"""The names of the facts that a checkpoint stores about its job, besides the rows.

Each is one sealed entry of the table `header`. Paths in them are stored as described in `places`.
"""

from __future__ import annotations

CARD = "job card"
"""The job card, see `batcher.rules.job.card`."""
BUCKET_USED = "rows rely on the default bucket"
"""1 as soon as a row without a bucket of its own is admitted."""
READ_WHOLE = "the manifest was read to its end"
"""1 if the last run of the job's own manifest read it to its end, 0 if it did not, absent if that is not known."""
LIST_LENGTH = "rows of the manifest"
"""How many rows the job's own manifest has, see `batcher.rules.progress.extent`. Absent if that is not known."""
ELSEWHERE = "rows of other shards"
"""How many rows of the manifest belong to other shards, as the last run that read it to its end has counted."""
INHERITED = "open rows of earlier attempts"
"""Of a shard that was taken over, see `batcher.rules.shards.merging`."""
OUTPUT = "output"
"""The output of the last run: the card's, unless a side manifest was run with another one."""
LENGTH = "length of "
"""Prefix of the path of an output. The value is the number of its bytes that are durable."""
CONTROLS = "number of controls"
"""A control that is lost to the disk would make a list look more complete than it is."""
CONTENTS = "sum of the tables"
"""The numbers of entries of settled rows, intents and doubts, and the sum of all their seals.

It shows what single seals do not: a page that is missing or from an earlier time, as in a copy whose files are of
different times.
"""
SHARED_NAME = "execution name of two starts"
"""Since a start was answered with another one's execution, no list can show which rows were not started."""
JOB_ID = "job id"
"""A random name of the job, also of copies of its checkpoint."""
LEDGER = "id of the ledger"
"""The random name of the ledger that the job shares with others. Absent if it shares none."""
RECOVERED = "rebuilt from the outputs"
"""1 if batcher recover has made this checkpoint: it is the heir of the job that had one at this path."""
GENERATION = "generation"
"""A number that grows with each run and at intervals within a run, see `batcher.app.generation`."""
COMMITTED_AT = "service's time of the last generation"
"""In POSIX seconds, not later than that commit. Absent if no answer has brought the time."""
UNPROVEN_SINCE = "not proven to be the newest since"
"""POSIX seconds by the service's clock: executions since then may belong to runs that this checkpoint does not know.

A run asks the execution list for them before its first start. 0 stands for any time, and empty text for a checkpoint
that is known to be the newest of its job.
"""
LIMIT = "limit in millistarts a second"
"""The limit that the evidence supports. 0 if the service refuses starts, and nothing shows that it has a limit."""
PROVEN = "proven rate in millistarts a second"
"""The highest rate that the last run has kept up without a refusal."""
SLOWED = "what slowed the last run"
"""Written at the end of a run, see `batcher.rules.rate.bottleneck`."""
CANARY = "canary"
"""The rows that are started and watched before all others, see `batcher.rules.ends.canary`."""
RUNS = "runs"
"""When the runs of the job began and how the last one ended, see `batcher.rules.job.runs`. Only the report reads it."""
PREFIX = "settled prefix"
"""Up to which place all rows of the manifest have ended, see `batcher.rules.rows.settled_prefix`."""
ASCENT = "last row of an ascending prefix"
"""The name of the last row of the settled prefix. It counts only if it was written for the same rows."""
HIGHEST = "highest id of a row"
"""Of the rows that were ever admitted. A table whose last rows are elsewhere or hidden shows a lower one."""
