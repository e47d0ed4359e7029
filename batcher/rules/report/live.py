"""The page of a run while it lasts: what the run has done so far, in bounded memory, and how it is shown. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from batcher.model import Record, Status
from batcher.rules.progress.eta import in_words
from batcher.rules.progress.extent import UNKNOWN, percent
from batcher.rules.progress.figures import Figures
from batcher.rules.report.curves import unit_of
from batcher.rules.report.digest import FAILED, Digest, Example, example_of
from batcher.rules.report.facts import Fact, lasted, moment
from batcher.rules.report.histogram import Histogram
from batcher.rules.report.next_commands import Command, Job, about
from batcher.rules.report.page import NAMED, Known, Latest, Page, page
from batcher.rules.shell import command_line
from batcher.rules.text import number, printable

LATEST = 10
"""Number of failed rows that are listed."""
_CODE = re.compile(r"[A-Za-z]{1,40}(\.\d{1,8})?", re.ASCII)
"""Codes that hold no name of an object."""


class Live:
    """What a run has done so far. Its size does not depend on the number of rows."""

    def __init__(self) -> None:
        self.digest = Digest()
        self.latest: deque[Latest] = deque(maxlen=LATEST)
        self._doubts: dict[int, Example] = {}
        self._latencies = Histogram()
        self.starts = 0
        """Starts of this run so far. If several processes make them, it is set before each look."""
        self._looked = 0

    def started(self, latency: float) -> None:
        """Count a start that took `latency` seconds."""
        self.starts += 1
        self._latencies.add(latency * 1000)

    def recorded(self, records: Sequence[Record]) -> None:
        """Take records that are on the disk."""
        for record in records:
            if record.status is Status.STARTED:
                self.digest.records += 1
            else:
                self._take(record)

    def settled(self, adopted: Iterable[int], released: Iterable[int]) -> None:
        """Note that rows in doubt were found in the execution list, or were not: their numbers."""
        numbers = [*adopted]
        self.digest.adopted += len(numbers)
        for row in [*numbers, *released]:
            self._doubts.pop(row, None)

    def look(self, figures: Figures, at: float) -> None:
        """Note how the run stands at a POSIX time."""
        span = self.digest.timeline.note(at)
        latencies, self._latencies = self._latencies, Histogram()
        span.starts += self.starts - self._looked
        self._looked = self.starts
        span.latencies.merge(latencies)
        span.limit = figures.limit

    @property
    def doubts(self) -> list[Example]:
        """Rows that this run has put in doubt and that are not settled, the first ones."""
        return [*self._doubts.values()]

    def _take(self, record: Record) -> None:
        self.digest.add(record)
        if record.status not in FAILED:
            return
        example = example_of(record)
        self.latest.appendleft(Latest(record.status, printable((record.error or {"code": ""})["code"]), example))
        if record.status is Status.IN_DOUBT and len(self._doubts) < NAMED:
            self._doubts[record.row] = example


def counts_of(figures: Figures, dismissed: int) -> Mapping[Status, int]:
    """Return the rows by status, given the rows that a user has dismissed. What has no other status is pending."""
    counts = {
        Status.STARTED: figures.started,
        Status.REFUSED: figures.refused,
        Status.REJECTED: figures.rejected,
        Status.INVALID: figures.invalid,
        Status.DUPLICATE: figures.duplicate,
        Status.DISMISSED: dismissed,
        Status.IN_DOUBT: figures.in_doubt,
        Status.SENDING: figures.on_wire,
    }
    return {**counts, Status.PENDING: max(0, figures.rows - sum(counts.values()))}


def live_page(known: Known, figures: Figures, live: Live) -> Page:
    """Return the page of a run, with names of objects."""
    made = page(known, live.digest)
    return made._replace(
        is_live=True,
        facts=_facts(figures, known.at),
        latest=[*live.latest],
        doubts=made.doubts._replace(named=live.doubts),
        commands=_steering(known.job.checkpoint),
    )


def without_names(made: Page) -> Page:
    """Return a page without anything that names an object, a file's folder, or repeats a text of the service."""
    checkpoint = made.job.checkpoint.rpartition("/")[2]
    card = structs.replace(made.job.card, manifest="", output="", bucket="", static_inputs="{}", ledger="")
    return made._replace(
        job=Job(card, checkpoint),
        failures=[each.without_names(_safe(each.code)) for each in made.failures],
        latest=[
            each._replace(code=_safe(each.code), example=Example(each.example.row, "", "")) for each in made.latest
        ],
        doubts=made.doubts._replace(named=[Example(each.row, "", "") for each in made.doubts.named]),
        prefixes=[],
        commands=_steering(checkpoint),
        ends=None,
    )


def _unnamed(example: Example) -> Example:
    return Example(example.row, "", "")


def _safe(code: str) -> str:
    return code if _CODE.fullmatch(code) else ""


def _facts(figures: Figures, at: float) -> list[Fact]:
    unit = unit_of(max(figures.rate, figures.limit or 0.0))
    limit = "not found" if figures.limit is None else f"about {number(figures.limit * unit.seconds)} per {unit.name}"
    oldest = "" if figures.oldest is None else f" (oldest {number(figures.oldest)} s)"
    return [
        Fact("done", percent(figures.fraction) or UNKNOWN),
        Fact("left", UNKNOWN if figures.left is None else f"{figures.left:,}"),
        Fact("time left", UNKNOWN if figures.eta is None else in_words(figures.eta)),
        Fact("rate now", f"{number(figures.rate * unit.seconds)} per {unit.name}"),
        Fact("limit of the service", limit),
        Fact("held back by", figures.state.removeprefix("slowed by ") or "nothing"),
        Fact("on the wire", f"{figures.on_wire:,}{oldest}"),
        Fact("requests", f"{figures.requests:,}, {figures.retries:,} of them retries"),
        Fact("running for", lasted(figures.seconds)),
        Fact("figures of", moment(at)),
    ]


def _steering(checkpoint: str) -> list[Command]:
    return [
        Command(
            "Limit the rate, here to 50 starts per second; auto in place of 50 lets it adapt to the service again.",
            command_line(["batcher", "rate", checkpoint, "50"]),
        ),
        Command("Send nothing until it is resumed.", about("pause", checkpoint)),
        Command("Send again.", about("resume", checkpoint)),
        Command("Stop gracefully; the same batcher run continues later.", about("drain", checkpoint)),
    ]
