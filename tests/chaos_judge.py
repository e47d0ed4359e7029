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


def judge(rows: Sequence[Row], ledger: dict[Content, list[str]], output: Path, result: Result) -> None:
    """Hold the ledger and the output against the manifest."""
    good = {row.content for row in rows if row.object}
    wrong = {
        "lost": [content for content in good if content not in ledger],
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
    _judge_records(rows, ledger, records, result)


def _judge_records(
    rows: Sequence[Row], ledger: dict[Content, list[str]], records: Sequence[dict[str, str]], result: Result
) -> None:
    """The last record of each row says how it ended, and a started one names the execution that the ledger has."""
    last = {int(record["row"]): record for record in records}
    doubted = {int(record["row"]) for record in records if record["status"] == "in_doubt"}
    adopted = {number for number, record in last.items() if record.get("reconciled", "").lower() == "true"}
    started = {number for number, record in last.items() if record["status"] == "started"}
    result.figures.update(
        {"in doubt": len(doubted), "adopted": len(adopted), "released": len(doubted & started - adopted)}
    )
    seen: set[Content] = set()
    for number, row in enumerate(rows, 1):
        wanted = "invalid" if not row.object else "duplicate" if row.content in seen else "started"
        seen.add(row.content)
        record = last.pop(number, None)
        if record is None or record["status"] != wanted or record["object"] != row.object:
            result.failures.append(f"row {number} should be {wanted}, its last record is {record}")
        elif wanted == "started" and record["execution_name"] not in ledger.get(row.content, ()):
            result.failures.append(f"row {number} names an execution that is not its own: {record}")
    result.failures += [f"there is a record of no row: {record}" for record in last.values()]
