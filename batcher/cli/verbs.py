"""The table of verbs: each with its summary, and its module, which is imported when the verb is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

SUMMARY = "Start one workflow execution for each object of a list, and resume after any interruption."

VERBS = {
    "run": "Start one workflow execution for each row of a manifest.",
    "check": "Check a manifest and show what a run would start, without starting anything.",
    "status": "Show how many rows of a job are started, rejected or in doubt.",
    "reconcile": "Settle a job's rows in doubt using the service's execution list.",
    "rate": "Change the maximum rate of a running job.",
    "pause": "Pause a running job.",
    "resume": "Resume a paused job.",
    "drain": "Stop a running job gracefully.",
    "explain": "Show the history of one row.",
    "failures": "Write the rows that failed, with their reasons, as the next manifest.",
    "export": "Write the final state of each row, one line per row.",
    "report": "Write an HTML report about a job.",
    "doctor": "Check with one start what the service's documents leave open.",
    "config": "Show the value of each option, and where it comes from.",
    "emulator": "Run the workflow API locally, with faults on request.",
    "man": "Print the manual page.",
}
"""Each verb with its line in the help. The module of that name has its OPTIONS, its HELP and its function."""


def module_of(verb: str) -> Any:
    """Import a verb: `OPTIONS` is its struct, `HELP` its help text, and its function takes one and gives an exit code.

    `CONTEXT` are more settings of its click command, if there are any.
    """
    return import_module(f"batcher.cli.{verb}")
