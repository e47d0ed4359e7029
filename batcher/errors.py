"""The exit codes of a command, and the errors that stop a job, each with its exit code.

This module imports nothing from the project, so every layer may import it.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """The exit code of a command. 64 to 78 are those of sysexits.h; those from 128 on are 128 plus the signal."""

    OK = 0
    ROWS_REJECTED = 1
    USAGE = 2
    ROWS_IN_DOUBT = 3
    FAILURES = 4
    STOPPED = 5
    ENDS = 6
    DEADLINE = 7
    CANARY = 8
    UNACCEPTED = 64
    MANIFEST = 65
    SERVICE = 69
    INTERNAL = 70
    SYSTEM = 71
    DISK = 74
    BUSY = 75
    CREDENTIALS = 77
    OTHER_JOB = 78
    TAKEN_OVER = 79
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "every row is started",
    ExitCode.ROWS_REJECTED: "finished; some rows are refused, rejected or invalid",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.ROWS_IN_DOUBT: "finished; some rows are in doubt and held",
    ExitCode.FAILURES: "stopped by --max-failures; resumable",
    ExitCode.STOPPED: "stopped by --limit, --stop-at, --max-duration or drain; resumable",
    ExitCode.ENDS: "watched to the end; some executions failed, or their end is unknown",
    ExitCode.DEADLINE: "stopped by --deadline while executions run; resumable",
    ExitCode.CANARY: "the canary failed; nothing else is started until --canary-passed",
    ExitCode.UNACCEPTED: "not confirmed; nothing was started",
    ExitCode.MANIFEST: "the manifest is unusable, or was changed while it was read; resumable",
    ExitCode.SERVICE: "the service cannot be reached, or refuses the whole job",
    ExitCode.INTERNAL: "a fault in batcher itself; resumable",
    ExitCode.SYSTEM: "the system allows too few threads, processes or files, or too little memory; resumable",
    ExitCode.DISK: "a file cannot be read or written",
    ExitCode.BUSY: "another run holds the checkpoint, the output or the ledger",
    ExitCode.CREDENTIALS: "credentials are missing or refused",
    ExitCode.OTHER_JOB: "the checkpoint or the output belongs to another job, or is an older copy",
    ExitCode.TAKEN_OVER: "another process has taken over this shard; nothing is left to do here",
    ExitCode.SIGHUP: "drained on SIGHUP, when the terminal was closed; resumable",
    ExitCode.SIGINT: "drained on SIGINT; resumable",
    ExitCode.SIGTERM: "drained on SIGTERM; resumable",
}
"""A short description of every exit code, for the help."""


class JobError(Exception):
    """The job cannot continue. `str(error)` says what is wrong and where, `advice` says what to do."""

    exit_code = ExitCode.SERVICE

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class UsageError(JobError):
    """The command line asks for something impossible."""

    exit_code = ExitCode.USAGE


class ManifestError(JobError):
    """The manifest as a whole cannot be used."""

    exit_code = ExitCode.MANIFEST


class ServiceError(JobError):
    """The service cannot be reached, or refuses the whole job."""

    exit_code = ExitCode.SERVICE


class FailuresError(JobError):
    """More rows were rejected than the user allows."""

    exit_code = ExitCode.FAILURES


class CanaryError(JobError):
    """Too few of the rows that were started first have succeeded."""

    exit_code = ExitCode.CANARY


class InternalError(JobError):
    """A fault in batcher itself."""

    exit_code = ExitCode.INTERNAL


class SystemLimitError(JobError):
    """The system allows too few threads, processes or open files, or too little memory."""

    exit_code = ExitCode.SYSTEM


class DiskError(JobError):
    """A file of the job cannot be read or written."""

    exit_code = ExitCode.DISK


class DamageError(DiskError):
    """The content of a checkpoint is damaged."""


class BusyError(JobError):
    """Another run holds the lock on the job's files."""

    exit_code = ExitCode.BUSY


class TakenOverError(JobError):
    """Another process has claimed the shard that this one works on."""

    exit_code = ExitCode.TAKEN_OVER


class CredentialsError(JobError):
    """There are no credentials, or the service refuses them."""

    exit_code = ExitCode.CREDENTIALS


class OtherJobError(JobError):
    """The checkpoint or the output belongs to another job or another version of the program, or is an older copy."""

    exit_code = ExitCode.OTHER_JOB
