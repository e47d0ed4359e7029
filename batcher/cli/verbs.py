"""The table of verbs with their summaries. The module of a verb is imported when the verb is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

SUMMARY = "Start one workflow execution for each object of a list, and resume after any interruption."

VERBS = {
    "run": "Start one workflow execution for each row of a manifest.",
    "list": "Write the objects of a bucket as a manifest.",
    "check": "Check a manifest and show what a run would start.",
    "status": "Show how many rows of a job are started, rejected or in doubt.",
    "watch": "Follow the executions of a job until they have ended.",
    "redrive": "Restore executions that failed, and follow them.",
    "reconcile": "Settle rows in doubt using the service's execution list.",
    "recover": "Rebuild a lost checkpoint from the output.",
    "ledger": "Show what the jobs of a ledger have started, or import jobs into it.",
    "rate": "Change the maximum rate of a running job.",
    "pause": "Pause a running job.",
    "resume": "Resume a paused job.",
    "drain": "Stop a running job gracefully.",
    "explain": "Show the history of one row.",
    "failures": "Write the rows that failed as the next manifest.",
    "export": "Write the final state of each row, one line per row.",
    "report": "Write an HTML report about a job.",
    "forget": "Let an older copy of a checkpoint be used.",
    "doctor": "Start one execution to learn how the service behaves.",
    "config": "Show the value of each option, and where it comes from.",
    "emulator": "Run the workflow API locally, with faults on request.",
    "man": "Print the manual page.",
}
"""Each verb with its line in the help. The module of that name has its OPTIONS, its HELP and its function."""

PANELS = {
    "Commands": ("run", "list", "check", "status", "watch", "redrive", "reconcile", "recover", "ledger"),
    "Commands for a running job": ("rate", "pause", "resume", "drain"),
    "Commands for results": ("explain", "failures", "export", "report"),
    "Commands for setup and tests": ("doctor", "config", "emulator", "forget", "man"),
}
"""The headings of the help, each with its verbs."""


def module_of(verb: str) -> Any:
    """Import a verb. `OPTIONS` is its struct, `HELP` its help text; its function takes a struct, returns an exit code.

    `CONTEXT`, if present, holds more settings for its click command. `prepare`, if present, takes the options as they
    are given and begins what takes time, before the files of the job are looked for.
    """
    return import_module(f"batcher.cli.{verb}")
