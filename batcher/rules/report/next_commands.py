"""The commands that a person may give next, ready for a shell. Pure.

A job's own command is put together from what its checkpoint remembers of it; options that only change how it runs
are not among that.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from batcher.model import Json


class Job(NamedTuple):
    """What makes up a job's command. `manifest` is "-" for standard input; the names of files are absolute."""

    manifest: str
    checkpoint: str
    output: str
    endpoint: str
    workflow: str
    bucket: str
    inputs: Mapping[str, Json]


def run(job: Job, manifest: str | None = None, *more: str) -> str:
    """Write the job's own command; or the one that sends another `manifest` under the job's checkpoint."""
    words = ["batcher", "run", manifest or job.manifest, "--workflow", job.workflow, "--endpoint", job.endpoint]
    if job.endpoint.startswith("http:"):
        words.append("--allow-http")
    if job.bucket:
        words += ["--bucket", job.bucket]
    for name, value in job.inputs.items():
        words += ["--input", f"{name}:={orjson.dumps(value).decode()}"]
    if manifest or job.checkpoint != f"{job.manifest}.checkpoint":
        words += ["--checkpoint", job.checkpoint]
    if manifest or job.output != f"{job.manifest}.executions.jsonl":
        words += ["--output", job.output]
    if not manifest and job.manifest == "-":
        words += ["--format", "FORMAT"]
    return shlex.join([*words, *more])


def reconcile(job: Job) -> str:
    """Write the command that settles rows in doubt."""
    return shlex.join(["batcher", "reconcile", job.checkpoint])


def failures(job: Job, file: str) -> str:
    """Write the command that makes a manifest of the rows that failed."""
    words = ["batcher", "failures", job.manifest, "-o", file]
    if job.checkpoint != f"{job.manifest}.checkpoint":
        words += ["--checkpoint", job.checkpoint]
    return shlex.join(words)


def export(job: Job, file: str) -> str:
    """Write the command that gives one line for each row."""
    return shlex.join(["batcher", "export", job.checkpoint, "-o", file])


def explain(job: Job, row: int) -> str:
    """Write the command that tells the life of a row."""
    return shlex.join(["batcher", "explain", job.checkpoint, str(row)])
