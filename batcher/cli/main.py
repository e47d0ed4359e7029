"""The command `batcher`: its name, its verbs and its version. Each verb is imported when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batcher import __version__
from batcher.cli.streams import give_up, open_streams
from batcher.cli.verbs import SUMMARY, Verbs

app = typer.Typer(
    name="batcher",
    cls=Verbs,
    help=SUMMARY,
    epilog="Begin with: batcher run --help. Any flag may also be set in batcher.toml: batcher config --help",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


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
    """Run the command line. What cannot be read or written, where no verb has words for it, ends it with 74."""
    open_streams()
    try:
        try:
            app(prog_name="batcher")
        finally:
            sys.stdout.flush()
    except OSError as error:
        give_up(error)
