"""The settings file, `batcher.toml`: read as text, and replaced completely or not at all.

`rules/settings_file.py` and the command line interpret its content.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from batcher.errors import DiskError, UsageError

NAME = "batcher.toml"
"""The file name. It is looked for in the working directory."""


def read_settings(path: Path) -> str | None:
    """Return the text of the file, or None if it does not exist.

    Raises UsageError if it is not UTF-8, and DiskError if it cannot be read.
    """
    try:
        # Read as bytes, because text mode would change line ends. Some editors put a byte order mark before the text.
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: not UTF-8: {error.reason} at byte {error.start:,}", "Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise DiskError(f"{path}: cannot be read: {error.strerror}", "Check the file, or name another one.") from error


def check_place(path: Path) -> None:
    """Raise DiskError if the folder is not writable, before work is done whose result must be saved."""
    folder = path.resolve().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DiskError(f"{path}: the folder {folder} is not writable", "Name a file in another folder with --write.")


def write_settings(path: Path, text: str) -> None:
    """Replace the file, so that a reader sees either the old or the new text. Raises DiskError."""
    # If the path is a symbolic link, its target is replaced, not the link.
    path = path.resolve()
    try:
        _replace(path, text)
    except OSError as error:
        fault = f"cannot be written: {error.strerror}"
        raise DiskError(f"{path}: {fault}", "Name another file with --write.") from error


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
