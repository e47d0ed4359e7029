"""The Python to measure with: one that was built without optimizations takes longer, for batcher and its peers alike.

`python bench/interpreter.py` prints the settings with which `make` uses a better Python of this machine, nothing if
there is none. What it decides, and why, it says on stderr.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)
FLAGS = ("--enable-optimizations", "--with-lto")
"""What `./configure` is called with for a fast build, and sysconfig remembers."""
FASTER = 1.15
"""How many times as fast another Python must be to be used without these flags: Debian's builds do not name theirs."""
_NAMES = ("python3", *(f"python3.{minor}" for minor in range(20, 10, -1)))
_SECONDS = 20.0


class Interpreter(NamedTuple):
    """A Python: its path, its version, the flags of its build, and the seconds that a fixed piece of work takes."""

    path: str
    version: tuple[int, int]
    flags: tuple[str, ...]
    seconds: float


def built() -> tuple[str, ...]:
    """Return which of the FLAGS this Python was built with."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    return tuple(flag for flag in FLAGS if flag in arguments)


def how_built(flags: Sequence[str]) -> str:
    """Return how a Python was built, in words."""
    return f"built with {' and '.join(flags)}" if flags else f"not known to be built with {' or '.join(FLAGS)}"


def better(present: Interpreter, others: Sequence[Interpreter]) -> Interpreter:
    """Return the Python to measure with: the present one if it is optimized, or if none of the others is better."""
    if present.flags:
        return present
    better = [each for each in others if each.flags or each.seconds * FASTER < present.seconds]
    same = [each for each in better if each.version == present.version]
    return min(same or better, key=lambda each: each.seconds, default=present)


def _work() -> int:
    def count(depth: int) -> int:
        return 1 if depth < 2 else count(depth - 1) + count(depth - 2)

    return count(20) + sum({"number": number}["number"] for number in range(20_000))


def _timed() -> float:
    begun = time.process_time()
    _work()
    return time.process_time() - begun


def _present() -> Interpreter:
    fastest = min(_timed() for _ in range(7))
    return Interpreter(os.path.realpath(sys.executable), sys.version_info[:2], built(), fastest)


def _others(known: set[str]) -> Iterator[Interpreter]:
    """Yield the other Pythons on the PATH that can run batcher. `known` are the paths that were seen already."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for name in _NAMES:
            path = os.path.realpath(Path(folder) / name)
            if path in known or not os.access(path, os.X_OK):
                continue
            known.add(path)
            found = _asked(path)
            if found is not None and found.version >= OLDEST and found.path not in known - {path}:
                known.add(found.path)
                yield found


_ASK = "import ensurepip, ssl, sqlite3, venv, runpy, sys; runpy.run_path(sys.argv[1], run_name='asked')"


def _asked(path: str) -> Interpreter | None:
    """Let a Python describe itself. Return None if it cannot, or lacks what an environment needs."""
    try:
        said = subprocess.run([path, "-c", _ASK, __file__], capture_output=True, timeout=_SECONDS, check=True).stdout
        name, version, flags, seconds = json.loads(said)
        return Interpreter(name, (version[0], version[1]), tuple(flags), seconds)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def main() -> None:
    """Choose, and say why."""
    present = _present()
    chosen = better(present, () if present.flags else list(_others({present.path})))
    reason = how_built(chosen.flags)
    if chosen is not present:
        times = present.seconds / chosen.seconds
        reason += f", {times:.1f} times as fast as {present.path}, {how_built(present.flags)}"
        print(f"PYTHON={chosen.path} VENV=.venv-bench")
    print(f"bench: Python {'.'.join(map(str, chosen.version))} at {chosen.path}, {reason}", file=sys.stderr)


if __name__ == "asked":
    print(json.dumps(_present()))
elif __name__ == "__main__":
    main()
