"""Shell completion: prints the completion script, or installs it in the home directory of the user.

The scripts are those of click: `_BATCHER_COMPLETE=bash_source batcher` prints the one for bash.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from click import Command
from click.shell_completion import get_completion_class

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
    made = get_completion_class(shell)
    if made is None:
        raise UsageError(f"no completion for the shell {shell!r}")
    return made(command, {}, "batcher", VARIABLE).source()
