"""The room that is left on a disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple


class FreeSpace(NamedTuple):
    """What is free for this user on the disk of a folder, in bytes. `disk` identifies the disk."""

    disk: int
    size: int


def free_space(folder: Path) -> FreeSpace:
    """Return what is free in a folder. Raises OSError."""
    return FreeSpace(os.stat(folder).st_dev, shutil.disk_usage(folder).free)  # noqa: PTH116 - beside disk_usage
