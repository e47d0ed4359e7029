"""A clock that is wrong, or is set between two runs or in mid-run: the real command against the emulator's ledger."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from email.utils import formatdate
from functools import partial
from pathlib import Path

import pytest
from test_command import ENVIRONMENT

from batcher.emulator.faults import FaultKind
from batcher.flow.reconcile import Inquiry, reconcile
from batcher.model import Described, Execution, ExecutionDetail, Page, Status, Unsettled
from batcher.rules.doubts.control import Control

KEYS = [f"o{n}" for n in range(120)]
SETTABLE = Path(__file__).with_name("settable.py")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.jsonl").write_text("".join(json.dumps({"object": key}) + "\n" for key in KEYS))
    return tmp_path


async def begin(service, *words):
    """Begin the command, on a machine whose time is what the file `clock` makes of it."""
    options = ("-w", "transcode", "-e", service.url, "-b", "videos", "--progress", "none", "--settle-time", "0.5")
    return await asyncio.create_subprocess_exec(
        sys.executable, SETTABLE, "run", "m.jsonl", *options, "--concurrency", "8", *words,
        env=ENVIRONMENT, stderr=subprocess.PIPE,
    )  # fmt: skip


async def end(process):
    _, stderr = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, stderr.decode()


async def run(service, *words):
    return await end(await begin(service, *words))


async def starts(service, count):
    async with asyncio.timeout(60):
        while len(service.ledger.starts) < count:  # noqa: ASYNC110 - the ledger is looked at, as a person would
            await asyncio.sleep(0.001)


def set_clock(folder, seconds):
    """Set the clock of this machine, at once and for everybody."""
    (folder / "set").write_text(str(seconds))
    (folder / "set").rename(folder / "clock")


def started(service):
    return Counter(key for (_, key, _), count in service.ledger.counts().items() for _ in range(count))


NOW = 1_795_509_000.0
ONCE = Counter(dict.fromkeys(KEYS, 1))


@pytest.mark.long(small=2 / 5, ci=1 / 2)
@pytest.mark.parametrize(("first", "then"), [(0, 20), (0, -600), (0, 7200), (600, 0), (-7200, 7200)])
async def test_a_clock_that_is_set_between_a_kill_and_the_next_run_starts_nothing_twice(folder, emulator, first, then):
    service = await emulator(faults={FaultKind("slow"): 1.0}, slow=0.1)
    set_clock(folder, first)
    process = await begin(service)
    await starts(service, 1)
    process.kill()
    await end(process)
    set_clock(folder, then)
    service.settings.faults.clear()
    code, stderr = await run(service)
    assert code == 0, stderr
    assert "found started" in stderr
    assert started(service) == ONCE


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize("seconds", [600, -7200])
async def test_a_clock_that_is_set_in_mid_run_starts_nothing_twice(folder, emulator, seconds):
    losses = {FaultKind("reset-after"): 0.1, FaultKind("500"): 0.1, FaultKind("slow"): 0.4}
    service = await emulator(faults=losses, slow=0.1, seed=3)
    process = await begin(service)
    await starts(service, 20)
    set_clock(folder, seconds)
    code, stderr = await end(process)
    assert code == 0, stderr
    assert "found started" in stderr
    assert "never started, will be sent again" in stderr
    assert "clock" not in stderr
    assert started(service) == ONCE


@pytest.mark.parametrize(("off", "told"), [(1200, "s behind the service's"), (-1200, "s ahead of the service's")])
@pytest.mark.usefixtures("folder")
async def test_a_clock_that_the_service_does_not_accept_is_warned_of_once_and_done_without(emulator, off, told):
    service = await emulator(clock=lambda: time.time() + off)
    code, stderr = await run(service)
    assert code == 0, stderr
    (warning,) = [line for line in stderr.splitlines() if "warning" in line]
    assert "warning: this machine's clock is 1," in warning
    assert told in warning
    assert started(service) == ONCE
    assert service.ledger.requests["start"] == len(KEYS)


async def test_a_row_of_the_first_moment_is_released_because_the_time_was_asked_for_before_it(folder, emulator):
    # Fewer than make an outage: it would be waited out.
    keys = KEYS[:20]
    (folder / "m.jsonl").write_text("".join(json.dumps({"object": key}) + "\n" for key in keys))
    service = await emulator(faults={FaultKind("reset-before"): 1.0})
    assert (await run(service, "--on-doubt", "hold", "--no-preflight"))[0] == 3
    service.settings.faults.clear()
    # The start of another row shows that the list is complete.
    keys = KEYS[:21]
    (folder / "m.jsonl").write_text("".join(json.dumps({"object": key}) + "\n" for key in keys))
    code, stderr = await run(service)
    assert code == 0, stderr
    assert started(service) == Counter(dict.fromkeys(keys, 1))


@pytest.mark.usefixtures("folder")
async def test_a_finished_job_asks_nobody_for_the_time(emulator):
    service = await emulator()
    assert (await run(service))[0] == 0
    before = service.ledger.requests.copy()
    assert (await run(service))[0] == 0
    assert service.ledger.requests == before


@pytest.mark.usefixtures("folder")
async def test_a_wrong_key_is_found_out_before_anything_is_sent(emulator, monkeypatch):
    service = await emulator()
    monkeypatch.setitem(ENVIRONMENT, "OBS_SECRET_ACCESS_KEY", "wrong")
    code, stderr = await run(service)
    assert (code, "SignatureDoesNotMatch" in stderr) == (77, True), stderr
    assert service.ledger.requests == Counter({"workflow": 1})


CONTROL = Control(9, "e9", "urn:e9", NOW - 990, NOW - 991, NOW - 989, "b", "other", b"")


class Listing:
    """A list of one execution, a control, asked for by plain functions. Time passes when the reconcile waits."""

    def __init__(self, *, is_dated=True):
        self.now = NOW + 0.5
        self.dated = {}
        self._is_dated = is_dated
        self._listed = Execution(CONTROL.name, CONTROL.urn, "", CONTROL.at)

    def inquiry(self):
        return Inquiry(
            executions=self._pages, execution=self._detail, note=self._nothing, unowned=partial(asyncio.sleep, 0, []),
            controls=partial(asyncio.sleep, 0, [CONTROL]), date=self._date, sleep=self._sleep, stopped=lambda: False,
            now=lambda: self.now, settle_time=30.0,
        )  # fmt: skip

    async def _pages(self, _windows):
        date = formatdate(int(self.now), usegmt=True) if self._is_dated else ""
        yield Described(200, date=date, noun=Page((self._listed,)))

    async def _detail(self, _):
        text = json.dumps({"bucket": CONTROL.bucket, "object": CONTROL.object})
        return Described(200, noun=ExecutionDetail(self._listed, text))

    async def _nothing(self, _):
        pass

    async def _date(self, rows, at):
        self.dated |= {row.id: at for row in rows}

    async def _sleep(self, seconds):
        self.now += seconds


def row(id_, intent_at, doubt_at=None):
    return Unsettled(id_, Status.IN_DOUBT, id_, "b", "o", b"", "", intent_at, doubt_at)


async def test_a_doubt_is_dated_by_the_first_list_that_is_asked_for_after_it_and_waited_for_from_then_on():
    listing = Listing()
    findings = await reconcile(listing.inquiry(), [row(1, NOW - 1000), row(2, NOW - 1000, NOW - 900)], patient=True)
    assert listing.dated == {1: NOW + 1}
    assert [(each.id, each.doubt_at) for each in findings.released] == [(1, NOW + 1), (2, NOW - 900)]
    assert listing.now == NOW + 31


async def test_without_patience_a_young_doubt_is_held_and_keeps_its_date():
    listing = Listing()
    findings = await reconcile(listing.inquiry(), [row(1, NOW - 1000), row(2, NOW - 1000, NOW - 30)], patient=False)
    assert ([each.id for each in findings.released], [each.id for each in findings.held]) == ([2], [1])
    assert listing.dated == {1: NOW + 1}


async def test_rows_are_held_where_the_list_does_not_tell_its_time():
    listing = Listing(is_dated=False)
    findings = await reconcile(listing.inquiry(), [row(1, NOW - 1000)], patient=True)
    assert ([each.id for each in findings.held], findings.reason) == ([1], "the service does not report its time")
    assert listing.dated == {}


async def test_a_row_that_was_sent_at_an_unknown_time_is_never_released():
    findings = await reconcile(Listing().inquiry(), [row(1, 0.0)], patient=True)
    assert ([each.id for each in findings.held], findings.released) == ([1], [])
