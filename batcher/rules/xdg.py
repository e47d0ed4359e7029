"""Where a user keeps what outlives a command, as the XDG base directory specification says. Pure.

https://specifications.freedesktop.org/basedir-spec/latest/
"""

from __future__ import annotations

from collections.abc import Mapping


def user_folder(environment: Mapping[str, str], variable: str, below_home: str) -> str | None:
    """Return the folder that a variable names, by default the one `below_home`. None if there is no place for it.

    A path that is not absolute is ignored, as the specification requires.
    """
    named = environment.get(variable, "")
    if named.startswith("/"):
        return named
    home = environment.get("HOME", "")
    return f"{home}/{below_home}" if home.startswith("/") else None
