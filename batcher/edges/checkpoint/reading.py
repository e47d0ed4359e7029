"""Reading a checkpoint without holding it: what `status` shows, also while a run goes on."""

from __future__ import annotations

import fcntl
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from batcher.edges.checkpoint.lock import lock_path
from batcher.edges.checkpoint.schema import Header, translated
from batcher.edges.checkpoint.store import Store
from batcher.model import State, Unsettled


class Glance(NamedTuple):
    """A checkpoint at one moment. `running` tells whether a run holds it; if none does, intents are doubts."""

    header: Header
    running: bool
    states: Counter[State]
    unsettled: list[Unsettled]
    """The rows with an intent and those in doubt."""


def glance(path: Path) -> Glance:
    """Look at the checkpoint at `path`. Raises DiskError or OtherJobError where it cannot be read as one."""
    with translated(path), closing(Store.open(path, None)) as store:
        return Glance(
            store.header, _is_held(lock_path(path)), store.count(), store.unsettled({State.INTENT, State.IN_DOUBT})
        )


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
