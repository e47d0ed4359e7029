"""What the mode of a file says about who can read it. Pure."""

from __future__ import annotations

import stat

_OTHERS = stat.S_IRGRP | stat.S_IROTH


def open_to_others(mode: int, path: str) -> str | None:
    """Return a warning for a file that must be private, None if only its owner can read it. `mode` is its st_mode."""
    return (
        f"{path}: other users can read this file; run chmod 600 {path}"
        if mode & _OTHERS and stat.S_ISREG(mode)
        else None
    )
