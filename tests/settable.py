"""A clock that can be set, put under the real command in its own process before the command is imported.

The file `clock`, if it is there, says by how many seconds the time of this machine is wrong, from now on.
"""

import time
from pathlib import Path

CLOCK = Path("clock")


def main():
    true_time = time.time
    time.time = lambda: true_time() + (float(CLOCK.read_text()) if CLOCK.exists() else 0.0)
    from batcher.cli.main import main as command  # noqa: PLC0415 - the clock must be there first

    command()


if __name__ == "__main__":
    main()
