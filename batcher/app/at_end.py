"""What is done after the end of a job: the command that the user gave with --on-end, which learns how the job ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import Signals

from batcher.app.attempt import with_latest_files
from batcher.app.ends import seen_ends
from batcher.app.job_identity import job_of
from batcher.app.process import handling_signals
from batcher.app.run_folder import shards_in
from batcher.app.shards import with_shard
from batcher.app.world import World
from batcher.edges.checkpoint import glance
from batcher.edges.checkpoint.places import is_database
from batcher.edges.run_folder import is_run_folder
from batcher.edges.user_command import run_command
from batcher.errors import ExitCode, JobError
from batcher.options.at_end import AtEnd
from batcher.options.groups import OfJob
from batcher.options.verbs import RunCommandOptions
from batcher.rules.progress.extent import extent
from batcher.rules.records.standing import current_counts
from batcher.rules.report import end_variables

UNBEGUN = frozenset({ExitCode.USAGE, ExitCode.UNACCEPTED})
"""The exit codes with which a command ends that has begun nothing, and at which a person sits before a terminal."""


def run_at_end(verb: str, options: AtEnd, code: int, world: World) -> None:
    """Run the command of --on-end, if there is one. Its failure is reported, and changes nothing else."""
    if options.on_end is None or code in UNBEGUN:
        return
    environment = {**world.environment, **_variables(verb, options, code, world.environment)}
    try:
        ended = run_command(options.on_end, environment, handling_signals)
    except OSError as error:
        world.voice.warn(f"--on-end: the command cannot be run: {error.strerror or error}")
        return
    if ended:
        how = f"ended with exit code {ended}" if ended > 0 else f"was ended by {Signals(-ended).name}"
        world.voice.warn(f"--on-end: the command {how}; the exit code of batcher {verb} is still {int(code)}")


def _variables(verb: str, options: AtEnd, code: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the command learns. The files of a job are read as far as they can be: they may be the trouble."""
    known = dict.fromkeys(end_variables.NAMES, "")
    known |= {end_variables.EXIT_CODE: str(int(code)), end_variables.COMMAND: verb}
    with suppress(JobError):
        job = _job(options, environment)
        known[end_variables.JOB] = str(job.absolute())
        if is_database(job) or is_run_folder(job):
            known |= _of_job(job)
    return known


def _job(options: AtEnd, environment: Mapping[str, str]) -> Path:
    """Return the checkpoint or the run folder of the job: what every command takes."""
    if isinstance(options, OfJob):
        return options.checkpoint
    if not isinstance(options, RunCommandOptions):
        raise TypeError(f"{type(options).__name__} names no job")
    if options.processes is not None or options.engine is not None:
        return options.run_dir
    return with_latest_files(with_shard(options, environment)).checkpoint


def _of_job(job: Path) -> dict[str, str]:
    shards = shards_in(job)
    seen = glance(job) if shards is None else shards.as_one
    counts = current_counts(seen.counts, running=seen.running)
    known = end_variables.of_rows(counts, extent(counts, seen.length, read_whole=seen.read_whole))
    if shards is None:
        known[end_variables.RECORDS] = job_of(seen.card, job).card.output
    followed = seen_ends(job)
    return known if followed is None else known | end_variables.of_executions(followed.ends, followed.running)
