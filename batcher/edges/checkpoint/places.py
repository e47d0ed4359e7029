"""The paths of a job's files as a checkpoint stores them: relative to its real folder if they are below it.

A job's folder can therefore be moved, copied, mounted elsewhere or reached through a symbolic link.
"""

from __future__ import annotations

import os
from pathlib import Path


def real(path: Path) -> Path:
    """Resolve symbolic links and `..` in all parts of a path but the last. A symbolic link as last part is kept."""
    return Path(os.path.realpath(path.parent)) / path.name


def folder_of(checkpoint: Path) -> Path:
    """Return the real folder of a checkpoint, with all symbolic links resolved."""
    return Path(os.path.realpath(checkpoint)).parent


def kept(path: Path, folder: Path) -> str:
    """Return the path as a checkpoint in `folder` stores it."""
    found = real(path)
    return str(found.relative_to(folder)) if found.is_relative_to(folder) else str(found)


_DATABASE = b"SQLite format 3\0"
"""How the file of a checkpoint begins, see https://www.sqlite.org/fileformat.html. No list begins so."""


def is_database(path: Path) -> bool:
    """Return whether a file is a database, as checkpoints are. A file that cannot be read counts as no."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_DATABASE)) == _DATABASE
    except OSError:
        return False


def is_same(path: Path, other: Path) -> bool:
    """Return whether both paths lead to the same existing file."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Return whether there is such a file. If its folder is not accessible to the user, that counts as no."""
    return is_same(path, path)
