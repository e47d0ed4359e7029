"""The command `batcher`: its verbs, its version and its exit codes. Each verb is imported when it is called."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import Any

import click

from batcher import __version__
from batcher.cli.ending import Ending
from batcher.cli.streams import open_streams
from batcher.cli.verbs import PANELS, SUMMARY, VERBS
from batcher.errors import MEANINGS, ExitCode, JobError, SystemLimitError, UsageError


class Verbs(click.Group):
    """A group whose commands are made on demand."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # click uses the names to suggest a similar one; the commands themselves come from `get_command`.
        self.commands: Any = dict.fromkeys(VERBS)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the same in every context
        """Return the names in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a verb and make its command. Return None if there is no such verb."""
        if cmd_name not in VERBS:
            return None
        # Imported here, so that the list of verbs does not load any options.
        from batcher.cli.flags import verb_command

        return verb_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the verbs into the help."""
        width = max(map(len, VERBS))
        for heading, names in PANELS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), VERBS[name]) for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes into the help, then its last lines."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(f"{code.value:>3}", meaning) for code, meaning in MEANINGS.items()])
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the names of verbs without importing them."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=text) for name, text in VERBS.items() if name.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"batcher {__version__}")
        ctx.exit()


def _completion(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from batcher.cli.completion import install, script

    click.echo((install if param.name == "install_completion" else script)(ctx.command).rstrip())
    ctx.exit()


def _flag(name: str, help_: str, callback: Any) -> click.Option:
    return click.Option([name], is_flag=True, is_eager=True, expose_value=False, help=help_, callback=callback)


app = Verbs(
    name="batcher",
    help=SUMMARY,
    epilog="Run 'batcher COMMAND --help' for the options of a command. Options can also be set in the environment"
    " and in batcher.toml; see 'batcher config --help'.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        _flag("--version", "Show the version and exit.", _version),
        _flag("--install-completion", "Install completion for the current shell.", _completion),
        _flag("--show-completion", "Print the completion script for the current shell.", _completion),
    ],
)


_COMPLETING = "_BATCHER_COMPLETE"
"""The variable with which the script of a shell asks for completions."""


def main() -> None:
    """Run the command line. An error that no verb reports has an exit code too: 70, 71 or 74."""
    if sys.platform == "win32":
        # Before any module is imported that Windows does not have.
        sys.exit(_complain(SystemLimitError("batcher runs on Linux and macOS only", "On Windows, install it in WSL.")))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    open_streams()
    if _COMPLETING in os.environ:
        from batcher.cli.completion import register

        register()
    ending = Ending()
    try:
        try:
            code = _run(ending)
        finally:
            sys.stdout.flush()
    except JobError as error:
        code = _complain(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, its exit code is not that of a finished job
        code = _complain(_unreported(error))
    ending.run(code)
    # What is left ends with the process: there is no use in looking for garbage in it.
    gc.freeze()
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt. In the middle of an import, end the process: nothing is begun there that must be ended.

    An exception there can crash the process in the code of an extension, or leave locks for which other threads wait
    for ever.
    """
    at = frame
    while at is not None:
        if at.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(ExitCode.SIGINT)
        at = at.f_back
    signal.default_int_handler(number, frame)


def _run(ending: Ending) -> int:
    """Run the command and return its exit code. Each error is one line, followed by a line of advice."""
    try:
        code: int | None = app.main(prog_name="batcher", standalone_mode=False, obj=ending)
    except JobError as error:
        return _complain(error)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "batcher"
        text = error.format_message()
        return _complain(UsageError(f"{text[:1].lower()}{text[1:].rstrip('.')}", f"See {verb} --help."))
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.SIGINT
    return code or 0


def _unreported(error: Exception) -> JobError:
    # Imported here, since only a fault needs it.
    from batcher.app.unexpected import expected, internal

    return expected(error) or internal(error, os.environ)


def _complain(error: JobError) -> int:
    # Imported here, since the help does not need it.
    from batcher.app.voice import complain

    complain(error)
    return error.exit_code
