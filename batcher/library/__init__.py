"""batcher as a library: runs the job of `batcher run` inside a program, which gets the records as they are written.

The files and the guarantees are those of the command. Each can resume a job that the other has begun. `running` is for
asyncio, `blocking` is its twin for programs without; `following` watches and redrives; `arguments` makes the options.
"""

from batcher.library.blocking import RunningSync, run_sync
from batcher.library.following import ends, redrive, redrive_sync, watch, watch_sync
from batcher.library.running import Running, run

__all__ = [
    "Running",
    "RunningSync",
    "ends",
    "redrive",
    "redrive_sync",
    "run",
    "run_sync",
    "watch",
    "watch_sync",
]
