"""The facts at the top of a report: when the job began and ended, how long it took, in how many runs. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from batcher.errors import MEANINGS, ExitCode
from batcher.rules.job.runs import History
from batcher.rules.report.digest import Digest
from batcher.rules.text import counted

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_TENTHS = 10.0
"""Below this number of seconds, a duration is shown with tenths."""
UNENDED = "none: the last run was killed, or its machine failed"


class Fact(NamedTuple):
    """A fact: its name, and its value in words."""

    name: str
    value: str


def moment(at: float) -> str:
    """Format a POSIX time."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def lasted(seconds: float) -> str:
    """Format a duration with its two largest units: 2 h 13 min."""
    if seconds < _TENTHS:
        return f"{seconds:.1f} s"
    words: list[str] = []
    left = round(seconds)
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or words:
            words.append(f"{count} {unit}" if count else "")
        if len(words) == 2:  # noqa: PLR2004 - two units are enough
            break
    return " ".join(filter(None, words))


def facts(history: History | None, digest: Digest, *, running: bool, at: float) -> list[Fact]:
    """Return the facts of a job at the time `at`. Checkpoints of earlier versions have no history."""
    began = digest.first if history is None else history.began
    if began is None:
        return []
    last = digest.last if history is None or history.ended is None else history.ended
    found = [Fact("began", moment(began))]
    if running:
        found += [Fact("ended", "a run is in progress"), Fact("duration", f"{lasted(max(0.0, at - began))} so far")]
    elif last is not None:
        found.append(Fact("last record" if history is None or history.ended is None else "ended", moment(last)))
        found.append(Fact("duration", _duration(last - began, history, digest)))
    if history is not None:
        found.append(Fact("runs", f"{history.number:,}"))
        if not running:
            found.append(Fact("exit code", _exit_codes(history)))
    return found


def _duration(seconds: float, history: History | None, digest: Digest) -> str:
    whole = lasted(max(0.0, seconds))
    if history is None or history.number == 1:
        return whole
    return f"{whole}, of which {lasted(digest.timeline.worked)} with records"


def _exit_codes(history: History) -> str:
    codes = sorted(history.codes.items())
    said = [(count, f"{code} ({MEANINGS[ExitCode(code)] if code in _KNOWN else 'unknown'})") for code, count in codes]
    said += [(history.unended, UNENDED)] if history.unended else []
    if len(said) == 1:
        return said[0][1]
    return "; ".join(f"{counted(count, 'shard')}: {words}" for count, words in said)


_KNOWN = {code.value for code in ExitCode}
