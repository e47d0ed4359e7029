"""The command `batcher`: its verbs and nothing else. Each verb's work is imported when the verb is called."""

from __future__ import annotations

from typing import Annotated

import typer

from batcher import __version__
from batcher.cli.emulator import HELP as EMULATOR_HELP
from batcher.cli.emulator import emulator
from batcher.cli.reconcile import HELP as RECONCILE_HELP
from batcher.cli.reconcile import reconcile
from batcher.cli.run import HELP as RUN_HELP
from batcher.cli.run import run
from batcher.cli.status import HELP as STATUS_HELP
from batcher.cli.status import status

app = typer.Typer(
    name="batcher",
    help="Start one workflow execution for each object of a list, and carry on after any interruption.",
    epilog="Begin with: batcher run --help",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("run", help=RUN_HELP)(run)
app.command("status", help=STATUS_HELP)(status)
app.command("reconcile", help=RECONCILE_HELP)(reconcile)
app.command("emulator", help=EMULATOR_HELP)(emulator)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"batcher {__version__}")
        raise typer.Exit


@app.callback()
def _batcher(
    _: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Start one workflow execution for each object of a list, and carry on after any interruption."""


def main() -> None:
    """Run the command line."""
    app(prog_name="batcher")
