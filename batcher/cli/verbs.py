"""The verbs of the command, by name: each is imported when it is called, and the help of all of them imports none."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

SUMMARY = "Start one workflow execution for each object of a list, and carry on after any interruption."

VERBS = {
    "run": "Start one workflow execution for each row of a manifest.",
    "check": "Tell what a manifest holds and what a run would start, without starting anything.",
    "status": "Show how many rows of a job are started, rejected or in doubt.",
    "reconcile": "Settle a job's rows in doubt by the service's execution list.",
    "rate": "Change how fast a running job may send.",
    "pause": "Let a running job send nothing for now.",
    "resume": "Let a paused job go on.",
    "drain": "End a running job in good order.",
    "explain": "Tell the life of one row.",
    "failures": "Write the rows that failed, with their reasons, as the next manifest.",
    "export": "Write one line for each row, with the last truth about it.",
    "report": "Write a page about a job, for people.",
    "doctor": "Find out with one start what the service's documents leave open.",
    "config": "Show each flag's value, and where it comes from.",
    "emulator": "Serve the workflow API on this machine, with faults on request.",
    "man": "Print the manual page.",
}
"""Each verb with what the command's help says of it. The module of that name has the verb's function and its HELP."""


class Verbs(TyperGroup):
    """A group whose commands are made when they are asked for. Its types are click's, which typer hides."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Looked at for names that are nearly right; the commands themselves come from `get_command`.
        self.commands: Any = dict.fromkeys(VERBS)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the same in every context
        """Give the names in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        """Import a verb and make its command; None where there is none of that name."""
        if cmd_name not in VERBS:
            return None
        return verb_command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        """Write the verbs into the help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def verb_command(name: str) -> Any:
    """Import a verb and make its command, with the flags that every verb has."""
    # Imported late: the help of all verbs needs none of it.
    from batcher.cli.configured import Verb, configured  # noqa: PLC0415

    verb = import_module(f"batcher.cli.{name}")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, cls=Verb, help=verb.HELP, context_settings=getattr(verb, "CONTEXT", None))(getattr(verb, name))
    return configured(get_command(alone))
