"""Shell completion: prints the completion script, or installs it in the home directory of the user.

The scripts are those of click: `_BATCHER_COMPLETE=bash_source batcher` prints the one for bash. Unlike click's own,
they complete the value in `--flag=value` too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from click import Command
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
)

from batcher.errors import UsageError

VARIABLE = "_BATCHER_COMPLETE"


class Place(NamedTuple):
    """Where a shell looks for a completion script, and the lines that its start-up file needs. Paths are below home."""

    script: str
    startup: str = ""
    lines: str = ""


PLACES = {
    "bash": Place(".bash_completions/batcher.sh", ".bashrc", "source ~/.bash_completions/batcher.sh\n"),
    "zsh": Place(".zfunc/_batcher", ".zshrc", "fpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit\n"),
    "fish": Place(".config/fish/completions/batcher.fish"),
}


class _WithValues(ShellComplete):
    """Completes the value in `--flag=value`, which all shells but bash take for one word."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return what may follow `args`. All of a word is replaced by it, so it begins with the flag if that does."""
        if args and args[-1] == "=":
            # bash takes it for a word of its own.
            return super().get_completions(args[:-1], incomplete)
        flag, equals, value = incomplete.partition("=")
        if not equals or not flag.startswith("--"):
            return super().get_completions(args, incomplete)
        found = super().get_completions([*args, flag], value)
        return [CompletionItem(f"{flag}={each.value}", each.type, each.help) for each in found]


class _Bash(_WithValues, BashComplete):
    """For bash."""


class _Zsh(_WithValues, ZshComplete):
    """For zsh, which looks for the file of a value behind its flag."""

    source_template = ZshComplete.source_template.replace("_path_files", "compset -P 1 '--*='\n            _path_files")


class _Fish(_WithValues, FishComplete):
    """For fish, which is given the file of a value with its flag."""

    source_template = FishComplete.source_template.replace(
        "__fish_complete_path $metadata[2];",
        "set -l flag (string match -r -- '^--[^=]*=' $metadata[2]);\n"
        """            __fish_complete_path (string replace -- "$flag" '' $metadata[2])"""
        """ | string replace -r -- '^' "$flag";""",
    )


def register() -> None:
    """Have click complete with these classes."""
    for each in (_Bash, _Zsh, _Fish):
        add_completion_class(each)


def script(command: Command) -> str:
    """Return the completion script for the current shell. Raises UsageError if the shell has none."""
    return _source(command, _shell())


def install(command: Command) -> str:
    """Install the script for the current shell. Return a message with its path.

    Raises UsageError as `script` does, and if there is no home folder.
    """
    shell = _shell()
    place = PLACES[shell]
    path = _path(place.script)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_source(command, shell))
    if place.startup:
        startup = _path(place.startup)
        # As bytes: a start-up file may be in any encoding.
        existing = startup.read_bytes() if startup.exists() else b""
        if place.lines.encode() not in existing:
            startup.write_bytes(existing + f"\n{place.lines}".encode())
    return f"Installed {shell} completion in {path}. Open a new shell to use it."


def _path(name: str) -> Path:
    """Return a path below home, or below XDG_CONFIG_HOME if it is set, as fish looks for it."""
    below, config = name.removeprefix(".config/"), os.environ.get("XDG_CONFIG_HOME", "")
    if below != name and config.startswith("/"):
        return Path(config) / below
    home = os.environ.get("HOME", "")
    if not home.startswith("/"):
        raise UsageError(
            "no home folder to install the completion in",
            "Set HOME and try again, or redirect --show-completion to a file that your shell reads.",
        )
    return Path(home) / name


def _shell() -> str:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in PLACES:
        raise UsageError(
            f"no completion for the shell {shell!r}", f"Set SHELL to one of {', '.join(PLACES)} and try again."
        )
    return shell


def _source(command: Command, shell: str) -> str:
    register()
    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"no completion for the shell {shell!r}")
    return made(command, {}, "batcher", VARIABLE).source()
