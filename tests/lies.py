# ruff: noqa: T201 - this script talks to a person
"""Lies: what an execution list may show other than the truth, each with the emulator that shows it so.

`python tests/lies.py [NAME ...]` runs the real command against each: 30 rows, 10 of which meet something that leaves
them in doubt, then the same command again until it ends. It prints, by the emulator's ledger, how many rows were
started twice, and how many were recorded as started and never were; and by the command's records, how many share an
execution's name, how many are neither started nor held, and how many are held in doubt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from conftest import CREDENTIALS, KEYS, PARAMETERS

from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import FaultKind, lot
from batcher.emulator.parsing import parse_quirk
from batcher.emulator.server import serve
from batcher.emulator.settings import Settings
from batcher.emulator.twin import Emulator

ROWS, STRUCK = 30, 10
BUCKET = "videos"
SHARE = STRUCK / ROWS
MOST_RUNS = 4
PATIENCE = 120.0
"""Seconds after which a run that does not end is killed."""
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith(("OBS_", "BATCHER_"))} | KEYS
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kind(StrEnum):
    """What a lie is about."""

    NONE = "none"
    TIMES = "times"
    COMPLETENESS = "completeness"
    FRESHNESS = "freshness"
    FILTERS = "filters"
    CONTENT = "content"
    IDENTITY = "identity"
    LATENESS = "lateness"


class Doubt(StrEnum):
    """Why rows are in doubt: their answers were lost, their requests were lost, or they are committed late."""

    ANSWER_LOST = "reset-after"
    REQUEST_LOST = "reset-before"
    LATE = "late"


class Lie(NamedTuple):
    """A service that shows something else than the truth: `quirks` as --quirk takes them, and further settings."""

    kind: Kind
    quirks: tuple[str, ...] = ()
    settings: Mapping[str, Any] = NOTHING
    doubt: Doubt = Doubt.ANSWER_LOST
    words: tuple[str, ...] = ()
    """Further words of the command."""

    @property
    def is_odd(self) -> bool:
        """Whether the rows have keys and inputs that can be shown in other forms."""
        return self.kind is Kind.CONTENT

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the manifest."""
        if "v3-inputs-listed" in self.quirks:
            # With inputs, each start would be refused.
            return [row | {"inputs": {}} for row in plain_rows()]
        return odd_rows() if self.is_odd else plain_rows()

    def emulator(self) -> Settings:
        """Return the settings of the emulator, with exactly `STRUCK` rows that the doubt strikes."""
        keys = [row["object"] for row in self.rows()]
        purpose, quirks = ("late-share", self.quirks) if self.doubt is Doubt.LATE else ("fault", self.quirks)
        faults = {} if self.doubt is Doubt.LATE else {FaultKind(self.doubt): SHARE}
        known = {
            "credentials": CREDENTIALS,
            "workflows": {"transcode": PARAMETERS, "other": PARAMETERS},
            "seed": seed_that_strikes(purpose, keys),
            "faults": faults,
            "clock": clock_in_mid_minute(),
            "quirks": dict(map(parse_quirk, ("faults-first", *quirks))),
        }
        return Settings(**known | self.settings)


def plain_rows() -> list[dict[str, Any]]:
    """Return rows that every service shows as they are."""
    return [{"object": f"in/clip{number:02}.mp4", "inputs": {"template-id": number}} for number in range(ROWS)]


def odd_rows() -> list[dict[str, Any]]:
    """Return rows that each form of showing keys and inputs changes."""
    inputs = {"note": "a & b", "speed": 1000, "sizes": [1, None], "labels": {"b": 2, "a": None}}
    return [
        {
            "object": f"/In//{number:02}/Cafe\u0301 \u00e9 \ufb01lm+100%25 &{number:02}.MP4",
            "inputs": {"template-id": number, **inputs},
        }
        for number in range(ROWS)
    ]


def clock_in_mid_minute() -> Callable[[], float]:
    """Return a clock that shows second 30 of a minute now, so that rounded times are off by the same each time."""
    ahead = (30 - time.time()) % 60
    return lambda: time.time() + ahead


def seed_that_strikes(purpose: str, keys: list[str]) -> int:
    """Return the first seed with which a share of a third strikes exactly `STRUCK` of these objects."""
    return next(seed for seed in count() if sum(lot(seed, purpose, BUCKET, key) < SHARE for key in keys) == STRUCK)


def _of(kind: Kind, **lies: str) -> dict[str, Lie]:
    """Name lies that are quirks alone: quirks separated by blanks, by a name with _ for blanks."""
    return {name.replace("_", " "): Lie(kind, tuple(quirks.split())) for name, quirks in lies.items()}


EARLIER = {"past": 40, "run_time": 0.0}
LATE_COMMIT = 3.0
IMPATIENT = ("--timeout", "1", "--settle-time", "4")
PATIENT = ("--settle-time", "4")
DWR = ("--api", "dwr-v3", "--project-id", PROJECT)

LIES: Mapping[str, Lie] = {
    "honest": Lie(Kind.NONE),
    "honest, a start is answered with 201": Lie(Kind.NONE, ("created",)),
    "honest, all are counted": Lie(Kind.NONE, ("count-all", "page-limit=10")),
    "honest, short pages": Lie(Kind.NONE, ("page-limit=7",)),
    "honest, pages that are too large": Lie(Kind.NONE, ("bulky=200",)),
    "honest, slow starts": Lie(Kind.NONE, ("late-commit=0.4",)),
    "honest, slow list": Lie(Kind.NONE, settings={"list_delay": 0.3}),
    **_of(
        Kind.TIMES,
        local_time_as_Z="local-time",
        local_time_as_Z_in_the_west="local-time=-5",
        local_time_without_a_zone="zoneless",
        local_time_without_a_zone_in_the_west="zoneless=-5",
        local_time_with_its_zone="zoned=8",
        local_time_in_the_list_only="local-time list-times-only",
        local_time_everywhere="local-time start-times-too",
        milliseconds_since_1970="epoch-ms",
        seconds_since_1970="epoch-s",
        local_milliseconds_since_1970="epoch-ms zoneless",
        times_like_a_Date="http-times",
        minutes_only="minutes-only",
        minutes_only_in_local_time="minutes-only zoneless=-5",
        days_only="days-only",
        no_times="no-times",
        time_of_leaving_a_queue="queue=75",
        times_off_by_up_to_five_minutes="time-jitter=300",
    ),
    **_of(
        Kind.COMPLETENESS,
        list_always_empty="empty-list",
        executions_missing_for_ever="drops=50%",
        count_above_the_entries="drops=50% count-all",
        is_truncated_false_beside_a_marker="page-limit=10 hidden-truncation",
        first_page_only="page-limit=10 first-page-only",
        first_page_only_and_all_counted="page-limit=10 first-page-only count-all",
        last_10_executions="last-executions=10",
        last_half_second="last-hours=0.00015",
        pages_skip_entries="page-limit=5 page-skip=2",
        pages_repeat_entries="page-limit=5 page-repeat=2",
        last_page_leads_to_the_first="page-limit=10 marker-loop",
        entries_twice="duplicates",
        some_entries_twice="duplicates=50%",
    ),
    "finished executions vanish": Lie(Kind.COMPLETENESS, ("vanish",), {"run_time": 0.0}),
    "finished executions vanish after 1 s": Lie(Kind.COMPLETENESS, ("vanish=1",), {"run_time": 0.0}),
    "finished executions are unknown by name": Lie(Kind.COMPLETENESS, ("details-vanish",), {"run_time": 0.0}),
    "list lags": Lie(Kind.COMPLETENESS, settings={"list_delay": 8.0}),
    "list lags for some": Lie(Kind.COMPLETENESS, ("lag-share=50%",), {"list_delay": 8.0}),
    "last 10 executions of a long history": Lie(Kind.COMPLETENESS, ("last-executions=10",), EARLIER),
    **_of(
        Kind.FRESHNESS,
        list_from_a_cache="list-cache=60",
        list_from_a_cache_of_3_seconds="list-cache=3",
        list_changes_every_20_seconds="list-snapshot=20",
        details_from_a_cache="detail-cache=60",
        Date_of_the_list_an_hour_behind="list-date=-3600",
        Date_of_the_list_an_hour_ahead="list-date=3600",
        no_Date_on_the_list="list-undated",
        no_Date_at_all="no-date",
    ),
    **_of(
        Kind.FILTERS,
        type_is_ignored="no-filter",
        every_type_TRIGGERCALL="type",
        every_type_TRIGGERCAL="type=TRIGGERCAL",
        every_type_in_lower_case="type=apicall",
        every_type_MANUAL="type=MANUAL",
        unknown_states="state",
        no_URN="no-urn",
        URN_of_another_workflow="other-urn",
        other_workflow_starts_the_same="neighbour",
        other_workflow_starts_the_same_and_is_listed="neighbour all-workflows",
    ),
    "other workflow is listed, rows never started": Lie(
        Kind.FILTERS, ("neighbour", "all-workflows"), doubt=Doubt.REQUEST_LOST
    ),
    "other client starts the object with other inputs": Lie(Kind.FILTERS, ("rival",), doubt=Doubt.REQUEST_LOST),
    **_of(
        Kind.CONTENT,
        bucket_in_upper_case="bucket-upper",
        bucket_with_its_domain="bucket-domain",
        no_bucket="bucket-lost",
        key_trimmed_and_NFC="keys-normalised",
        key_percent_decoded="keys-decoded",
        key_plus_decoded="keys-plus-decoded",
        key_percent_encoded="keys-encoded",
        key_percent_encoded_with_its_slashes="keys-encoded-fully",
        key_plus_encoded="keys-plus-encoded",
        slashes_doubled="keys-slashes-doubled",
        slashes_merged="keys-slashes-merged",
        slashes_trimmed="keys-slashes-trimmed",
        slashes_removed="keys-slashes-removed",
        slash_added="keys-slash-added",
        base_name_only="keys-basename",
        key_NFC="keys-nfc",
        key_NFD="keys-nfd",
        key_NFKC="keys-nfkc",
        key_in_lower_case="keys-folded",
        key_with_entities="keys-entities",
        key_with_question_marks="keys-ascii",
        key_read_as_Latin_1="keys-mojibake",
        key_cut="keys-cut=12",
        inputs_masked="inputs-masked",
        inputs_empty="inputs-blank",
        null_dropped="inputs-null-dropped",
        numbers_as_text="numbers-as-text",
        inputs_as_text="inputs-as-text",
        whole_numbers_with_a_fraction="numbers-as-floats",
        inputs_in_another_order="inputs-reordered",
        defaults_added="inputs-added",
        input_of_the_service_added="inputs-extra",
        blanks_added="inputs-padded",
        no_inputs="inputs-lost",
        no_input_at_all="input-empty",
        bucket_key_and_inputs_changed="bucket-upper keys-nfkc keys-folded numbers-as-text",
    ),
    "bucket and key in another form, rows never started": Lie(
        Kind.CONTENT, ("bucket-upper", "keys-folded", "numbers-as-text"), doubt=Doubt.REQUEST_LOST
    ),
    "bucket and key in another form, other client starts the object": Lie(
        Kind.CONTENT, ("bucket-upper", "keys-folded", "rival"), doubt=Doubt.REQUEST_LOST
    ),
    "no inputs, other client starts the object": Lie(Kind.CONTENT, ("inputs-lost", "rival"), doubt=Doubt.REQUEST_LOST),
    "inputs masked, other client starts the object": Lie(
        Kind.CONTENT, ("inputs-masked", "rival"), doubt=Doubt.REQUEST_LOST
    ),
    **_of(
        Kind.IDENTITY,
        names_in_upper_case="names-upper",
        detail_of_another_execution="wrong-detail",
        detail_of_another_execution_for_some="wrong-detail=50%",
        content_of_another_execution="mixed-detail",
        content_of_another_execution_for_some="mixed-detail=50%",
        one_name_for_two_starts="same-name=50%",
        answer_of_the_start_before="stale-answer=50%",
    ),
    "DWR v3, honest, short pages": Lie(Kind.NONE, ("page-limit=8",), words=DWR),
    "DWR v3, honest, in the manual's answers": Lie(Kind.NONE, ("v3-manual", "bulky=200"), words=DWR),
    "DWR v3, honest, offset counts pages": Lie(
        Kind.NONE, ("v3-offset-pages", "v3-newest-first", "page-limit=9"), words=DWR
    ),
    "DWR v3, honest, offset begins at 0": Lie(
        Kind.NONE, ("v3-offset-zero", "v3-ends-exclusive", "page-limit=6", "count-all"), words=DWR
    ),
    "DWR v3, honest, rows never started": Lie(Kind.NONE, ("v3-codes",), doubt=Doubt.REQUEST_LOST, words=DWR),
    "DWR v3, honest, no inputs": Lie(Kind.NONE, ("v3-inputs-listed",), words=DWR),
    "DWR v3, lower offset": Lie(Kind.COMPLETENESS, ("v3-cap=5", "page-limit=3"), words=DWR),
    "DWR v3, no history": Lie(Kind.COMPLETENESS, ("v3-express",), words=DWR),
    "DWR v3, time of the last change": Lie(Kind.FILTERS, ("v3-by-update",), {"run_time": 1.0}, words=DWR),
    "DWR v3, time is ignored": Lie(Kind.FILTERS, ("v3-no-window",), {"past": 40}, words=DWR),
    "DWR v3, other client starts the object": Lie(
        Kind.FILTERS, ("rival", "page-limit=20"), doubt=Doubt.REQUEST_LOST, words=DWR
    ),
    "DWR v3, local time as Z": Lie(Kind.TIMES, ("local-time", "page-limit=30"), words=DWR),
    "late commit": Lie(
        Kind.LATENESS, (f"late-commit={LATE_COMMIT}", f"late-share={SHARE}"), NOTHING, Doubt.LATE, IMPATIENT
    ),
    "late commit, connection reset": Lie(
        Kind.LATENESS, (f"late-commit={LATE_COMMIT}", f"late-share={SHARE}", "late-reset"), NOTHING, Doubt.LATE, PATIENT
    ),
}


class Found(NamedTuple):
    """What the command made of a lie: rows by the ledger and by the records, and how the command ended."""

    twice: int
    """Rows started more than once."""
    false: int
    """Rows recorded as started that were never started."""
    shared: int
    """Rows recorded as started with a name that another row has as well."""
    lost: int
    """Rows neither started nor held."""
    held: int
    """Rows in doubt."""
    runs: int
    exit_code: int


async def found(lie: Lie, folder: Path) -> Found:
    """Run the command against a lie in an empty folder, again and again until it ends."""
    rows = lie.rows()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    async with serve(lie.emulator()) as service:
        codes: list[int] = []
        while not _is_over(codes):
            codes.append(await _run(service, folder, lie.words))
        if lie.doubt is Doubt.LATE:
            # What was received is committed in the end.
            await asyncio.sleep(LATE_COMMIT)
    starts = [(start.object, start.inputs) for start in service.ledger.starts]
    records = map(json.loads, (folder / "rows.jsonl.executions.jsonl").read_bytes().splitlines())
    return judged(rows, starts, list(records), codes)


def judged(
    rows: list[dict[str, Any]], starts: list[tuple[str, str]], records: list[dict[str, Any]], codes: list[int]
) -> Found:
    """Compare the rows and their last records with what was really started: objects with canonical inputs."""
    times = Counter(starts)
    started = {number: times[row["object"], _canonical(row["inputs"])] for number, row in enumerate(rows, 1)}
    last = {record["row"]: record for record in records}
    claimed = {number: record["execution_name"] for number, record in last.items() if record["status"] == "started"}
    held = {number for number, record in last.items() if record["status"] == "in_doubt"}
    names = Counter(claimed.values())
    return Found(
        twice=sum(each > 1 for each in started.values()),
        false=sum(not started[number] for number in claimed),
        shared=sum(names[name] > 1 for name in claimed.values()),
        lost=sum(not each and number not in held for number, each in started.items()),
        held=len(held),
        runs=len(codes),
        exit_code=codes[-1],
    )


def _is_over(codes: list[int]) -> bool:
    """Return whether there is nothing more to run for: all is done, or another run made no difference."""
    return 0 in codes or len(codes) == MOST_RUNS or codes[-2:-1] == codes[-1:] != []


def _canonical(inputs: Mapping[str, Any]) -> str:
    return json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


async def _run(service: Emulator, folder: Path, words: tuple[str, ...]) -> int:
    command = [sys.executable, "-m", "batcher", "run", "rows.jsonl", "-w", "transcode", "-e", service.url, "-b", BUCKET]
    more = ("--progress", "none", "--settle-time", "0.5", *words)
    environment = ENVIRONMENT | {"XDG_STATE_HOME": str(folder.resolve() / "state")}
    with (folder / "run.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, *more, cwd=folder, env=environment, stderr=log)
        try:
            return await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            return await process.wait()


WIDTHS = {"lie": 50, "kind": 12, "twice": 6, "false": 6, "shared": 7, "lost": 5, "held": 5, "runs": 5, "exit": 5}


def _line(cells: Iterable[object]) -> str:
    return " ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, WIDTHS.values(), strict=True)).rstrip()


async def main(names: list[str], beside: int) -> None:
    """Try these lies, `beside` of them at a time, and print a line for each."""
    print(_line(WIDTHS))
    places = asyncio.Semaphore(beside)

    async def one(name: str, folder: Path) -> Found:
        async with places:
            folder.mkdir()
            return await found(LIES[name], folder)

    with tempfile.TemporaryDirectory(prefix="batcher-lies-") as folder:
        async with asyncio.TaskGroup() as tasks:
            tried = {name: tasks.create_task(one(name, Path(folder, str(at)))) for at, name in enumerate(names)}
            for name, task in tried.items():
                print(_line((name, LIES[name].kind, *await task)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the lies, or kinds of lies, to try (all)")
    parser.add_argument("--beside", type=int, default=2, help="the number of lies to try at the same time (2)")
    wanted = parser.parse_args()
    chosen = [name for name, lie in LIES.items() if not wanted.names or {name, lie.kind} & set(wanted.names)]
    asyncio.run(main(chosen, wanted.beside))
