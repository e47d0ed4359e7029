"""The settings file, `batcher.toml`: read as text, and replaced whole or not at all.

What stands in it is for `rules/settings_file.py` and the command line to say.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from batcher.errors import DiskError, UsageError

NAME = "batcher.toml"
"""Looked for in the working directory."""


def read_settings(path: Path) -> str | None:
    """Give the file's text, None where there is no such file. Raises UsageError for what is not UTF-8, DiskError."""
    try:
        # Not as text, which would change the ends of its lines.
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: it is not UTF-8: {error.reason} at byte {error.start:,}", "Save it as UTF-8."
        ) from None
    except OSError as error:
        raise DiskError(
            f"{path}: it cannot be read: {error.strerror}", "Check the file, or name another one."
        ) from error


def check_place(path: Path) -> None:
    """Raise DiskError where the file's folder takes no file: what is found out at a price must have a place to go."""
    folder = path.resolve().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DiskError(f"{path}: no file can be written in {folder}", "Name a file that can be with --write.")


def write_settings(path: Path, text: str) -> None:
    """Put the text in the file's place, so that a reader finds the old or the new one. Raises DiskError."""
    # Where it is a link, what it leads to is replaced and not the link.
    path = path.resolve()
    try:
        _replace(path, text)
    except OSError as error:
        fault = f"it cannot be written: {error.strerror}"
        raise DiskError(f"{path}: {fault}", "Name a file that can be with --write.") from error


def _replace(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - by its descriptor
            file.write(text)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
