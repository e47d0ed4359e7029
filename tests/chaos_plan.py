"""The plan of a chaos trial: a small random job, a service with moods, and the instants of the kills.

All of it is drawn from one seed; only what the processes do with it differs from time to time.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from batcher.emulator.quirks import Group, Quirk

FAULTS = (
    "reset-after", "reset-before", "hang-after", "hang-before", "500", "500-after", "garbage", "cut", "nameless",
    "slowdown", "499-after", "403-after",
)  # fmt: skip
ODD_KEYS = (
    " leading and trailing ", "per%20cent%ZZ.mp4", "a+b&c=d?e#f.mp4", "quotes \" ' ` \\ .mp4", "comma, tab\t.mp4",
    "line\nbreak\r\nand\rreturn", "emoji \U0001f600 \u7247\u6bb5.mp4", "cafe\u0301", "/leading/slash", "=1+1", "null",
)  # fmt: skip

MOST_QUIRKS = 2
VALUES = {
    Quirk.QUEUE: 75, Quirk.LAST_HOURS: 0.001, Quirk.PAGE_LIMIT: 50, Quirk.LIST_CACHE: 60,
    Quirk.LIST_SNAPSHOT: 20, Quirk.LIST_DATE: -3600, Quirk.DETAIL_CACHE: 60, Quirk.KEYS_CUT: 9, Quirk.V3_CAP: 50,
}  # fmt: skip
"""The values of the quirks that need one."""
UNTOLD = {
    # The list can lack a doubt's execution alone while it shows every control.
    Quirk.DROPS, Quirk.LAST_EXECUTIONS, Quirk.PAGE_SKIP,
    # A time can be right by chance.
    Quirk.MINUTES_ONLY, Quirk.TIME_JITTER,
    # An answer names the execution of another start.
    Quirk.SAME_NAME, Quirk.STALE_ANSWER,
    # A start is committed after the settle time of a trial, which is shorter than the default.
    Quirk.LATE_COMMIT,
    # It refuses starts.
    Quirk.V3_INPUTS_LISTED,
    # These change others, or what faults do.
    Quirk.LAG_SHARE, Quirk.LATE_SHARE, Quirk.LATE_RESET, Quirk.FAULTS_FIRST,
}  # fmt: skip
"""The quirks that no trial has: by the conditions of the promise, a row may be started twice, or they do nothing."""
_WRITTEN = {quirk: f"{quirk}={VALUES[quirk]}" if quirk in VALUES else str(quirk) for quirk in Quirk}
_ELSEWHERE = {Group.V3, Group.BUCKETS, Group.RESTORES}
"""Quirks of another API, of the objects of buckets, and of restores, for which no trial asks."""
QUIRKS = [_WRITTEN[quirk] for quirk in Quirk if quirk not in UNTOLD and quirk.group not in _ELSEWHERE]
V3_QUIRKS = [*QUIRKS, *(_WRITTEN[quirk] for quirk in Quirk if quirk not in UNTOLD and quirk.group is Group.V3)]
"""Those of trials over DWR v3."""

WORKFLOWS = ("--workflow", "transcode", "--workflow", "another")
"""The job's, and one that a service may mix it up with."""
MOMENTS = ("start", "record", "question", "time")
"""What a kill waits for: a start in the ledger, a line of the output, a question about doubts, or just some time."""
Content = tuple[str, str, str]
"""Bucket, object and canonical inputs: what makes two starts the same, in the ledger's own spelling."""


class Row(NamedTuple):
    """A row of a manifest; `note` is its only input, if it has one. Without an object it is a bad row."""

    bucket: str
    object: str
    note: str | None

    @property
    def content(self) -> Content:
        inputs = {} if self.note is None else {"note": self.note}
        return self.bucket, self.object, json.dumps(inputs, separators=(",", ":"), ensure_ascii=False)


class Kill(NamedTuple):
    """When to kill a run: `share` of what is left of the moments to wait for, then `lag` seconds later."""

    moment: str
    share: float
    lag: float


class Plan(NamedTuple):
    """A trial, drawn from its seed."""

    rows: list[Row]
    concurrency: int
    manifest: str
    output: str
    emulator: list[str]
    settle_time: float
    kills: list[Kill]
    quirks: list[str]
    """What the service shows other than the truth. Then rows may be held."""
    api: str = "obs-v2"


def draw_plan(seed: int, rows: int, concurrency: int) -> Plan:
    """Draw a trial: the job, the service's moods, and when to kill."""
    random = Random(seed)
    list_delay = round(random.uniform(0.5, 1.5), 2)
    settle_time = list_delay + 1
    api = "obs-v2" if seed % 2 else "dwr-v3"
    plan = Plan(
        rows=_draw_rows(random, rows),
        concurrency=concurrency,
        manifest=random.choice(("objects.csv", "objects.jsonl")),
        output=random.choice(("records.jsonl", "records.csv")),
        emulator=[*_draw_moods(random), "--seed", str(seed), "--list-delay", str(list_delay), *WORKFLOWS],
        settle_time=settle_time,
        kills=[_draw_kill(random, settle_time) for _ in range(random.randint(2, 6))],
        quirks=random.sample(QUIRKS if seed % 2 else V3_QUIRKS, random.randint(0, MOST_QUIRKS)),
        api=api,
    )
    return plan._replace(emulator=[*plan.emulator, *(word for quirk in plan.quirks for word in ("--quirk", quirk))])


def _draw_rows(random: Random, wanted: int) -> list[Row]:
    """Draw plain and odd rows, with repeats, rows that differ in an input alone, and perhaps a bad row."""
    has_notes = random.random() < 0.5
    keys = iter(random.sample([*ODD_KEYS, *(f"in/{number:05}.mp4" for number in range(wanted))], wanted))
    rows: list[Row] = []
    for _ in range(wanted):
        die = random.random()
        if rows and die < 0.03:
            rows.append(random.choice(rows))
        elif rows and has_notes and die < 0.08:
            rows.append(random.choice(rows)._replace(note=random.choice("bcd")))
        else:
            rows.append(Row(random.choice(("videos", "more-videos")), next(keys), "a" if has_notes else None))
    if random.random() < 0.5:
        rows[random.randrange(wanted)] = Row("videos", "", None)
    return rows


def _draw_moods(random: Random) -> list[str]:
    """Draw how the service errs, and how its executions look."""
    moods = ["--input-shape", random.choice(("plain", "records")), "--input-keys", random.choice(("raw", "encoded"))]
    moods += random.choice(([], ["--input-twice"]))
    # Late answers keep more starts on the wire, for the kill to strike.
    moods += random.choice(([], ["--slow", "0.05", "--fault", "slow=40%"]))
    return moods + [word for fault in FAULTS for word in ("--fault", f"{fault}={random.choice((0, 1, 2, 3))}%")]


def _draw_kill(random: Random, settle_time: float) -> Kill:
    moment = random.choice(MOMENTS)
    longest = {"time": 1.2, "start": 0.01, "record": 0.01, "question": settle_time + 0.3}[moment]
    # More early than late, to leave something for the kills that follow.
    return Kill(moment, random.random() ** 2, random.uniform(0, longest))


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV or JSON Lines, by the name's suffix."""
    has_notes = any(row.note is not None for row in rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            header = ["bucket", "object", "inputs.note"] if has_notes else ["bucket", "object"]
            csv.writer(file).writerows([header, *(row[: len(header)] for row in rows)])
        else:
            for row in rows:
                inputs = {} if row.note is None else {"inputs": {"note": row.note}}
                file.write(json.dumps({"bucket": row.bucket, "object": row.object, **inputs}) + "\n")
