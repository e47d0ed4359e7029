"""The judge of a chaos trial: what truly started, by the emulator's ledger, and what the output says of it."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos_plan import Content, Row


@dataclass
class Result:
    """What came of trials: the figures, and a sentence for whatever is not as promised."""

    figures: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    most_open: int = 0
    """The most rows between intent and verdict that one kill has left."""

    def add(self, other: Result) -> None:
        self.figures.update(other.figures)
        self.failures += other.failures
        self.most_open = max(self.most_open, other.most_open)


def read_ledger(path: Path) -> dict[Content, list[str]]:
    """Give the names of the executions that truly started, by their content."""
    names: dict[Content, list[str]] = defaultdict(list)
    for line in path.read_bytes().splitlines():
        start = json.loads(line)
        names[start["bucket"], start["object"], start["inputs"]].append(start["execution_name"])
    return names


def read_records(path: Path) -> list[dict[str, str]]:
    """Read the whole output. Raises ValueError for a line that does not parse."""
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            records = list(csv.DictReader(file, strict=True))
            if any(None in record or None in record.values() for record in records):
                raise ValueError("a line has too many columns, or too few")
            return records
        return [{name: str(value) for name, value in json.loads(line).items()} for line in file]


def judge(
    rows: Sequence[Row], ledger: dict[Content, list[str]], output: Path, result: Result, *, may_hold: bool = False
) -> None:
    """Hold the ledger and the output against the manifest.

    If rows `may_hold`, since the service shows something else than the truth, those whose last record says that they
    are in doubt are not lost, and the execution that a record names is not looked at.
    """
    good = {row.content for row in rows if row.object}
    held = held_contents(rows, output) if may_hold else set()
    result.figures["held"] += len(held)
    wrong = {
        "lost": [content for content in good - held if content not in ledger],
        "started twice": [content for content, names in ledger.items() if len(names) > 1],
        "started unasked": [content for content in ledger if content not in good],
    }
    for what, contents in wrong.items():
        result.figures[what] += len(contents)
        result.failures += [f"{what}: {'/'.join(content)!r}" for content in contents]
    result.figures["starts"] += sum(map(len, ledger.values()))
    try:
        records = read_records(output)
    except (ValueError, csv.Error) as error:
        result.failures.append(f"the output does not parse: {error}")
        return
    _judge_records(rows, ledger, records, result, held if may_hold else None)


def held_contents(rows: Sequence[Row], output: Path) -> set[Content]:
    """Give the contents whose rows are in doubt by their last records. A line that does not parse holds nothing."""
    try:
        last = {int(record["row"]): record["status"] for record in read_records(output)}
    except (ValueError, csv.Error):
        return set()
    return {row.content for number, row in enumerate(rows, 1) if last.get(number) == "in_doubt"}


def _judge_records(
    rows: Sequence[Row],
    ledger: dict[Content, list[str]],
    records: Sequence[dict[str, str]],
    result: Result,
    held: set[Content] | None,
) -> None:
    """The last record of each row says how it ended, and a started one names the execution that the ledger has.

    `held` are the contents that may be in doubt, None if the service shows the truth.
    """
    last = {int(record["row"]): record for record in records}
    doubted = {int(record["row"]) for record in records if record["status"] == "in_doubt"}
    adopted = {number for number, record in last.items() if record.get("reconciled", "").lower() == "true"}
    started = {number for number, record in last.items() if record["status"] == "started"}
    result.figures.update(
        {"in doubt": len(doubted), "adopted": len(adopted), "released": len(doubted & started - adopted)}
    )
    seen: set[Content] = set()
    for number, row in enumerate(rows, 1):
        ended = "in_doubt" if held and row.content in held else "started"
        wanted = "invalid" if not row.object else "duplicate" if row.content in seen else ended
        seen.add(row.content)
        record = last.pop(number, None)
        if record is None or record["status"] != wanted or record["object"] != row.object:
            result.failures.append(f"row {number} should be {wanted}, its last record is {record}")
        elif held is None and wanted == "started" and record["execution_name"] not in ledger.get(row.content, ()):
            result.failures.append(f"row {number} names an execution that is not its own: {record}")
    result.failures += [f"there is a record of no row: {record}" for record in last.values()]
