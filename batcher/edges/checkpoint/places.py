"""Where a job's files are, as its checkpoint keeps it: relative to the real folder of the checkpoint, if below it.

So a job's folder can be moved, copied, mounted elsewhere or reached through a symbolic link, and finds its files.
"""

from __future__ import annotations

import os
from pathlib import Path


def real(path: Path) -> Path:
    """Give the path without symbolic links and `..` before its last part; what the last part links to is its affair."""
    return Path(os.path.realpath(path.parent)) / path.name


def folder_of(checkpoint: Path) -> Path:
    """Give the folder that a checkpoint really is in."""
    return Path(os.path.realpath(checkpoint)).parent


def kept(path: Path, folder: Path) -> str:
    """Give the path as a checkpoint in `folder` keeps it."""
    found = real(path)
    return str(found.relative_to(folder)) if found.is_relative_to(folder) else str(found)


def is_same(path: Path, other: Path) -> bool:
    """Say whether both are one file that is there, whatever names it goes by."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Say whether there is such a file, as far as this user may know."""
    return is_same(path, path)
