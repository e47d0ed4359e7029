"""Whole runs with a maximum of running executions, in both APIs. The emulator's ledger counts what ran at a time."""

import asyncio
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_canary import Job
from test_watch import seed_that_drops

from batcher.app.watch import watch_job
from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Quirk
from batcher.errors import BusyError, ExitCode, UsageError
from batcher.flow.drain import Drain
from batcher.model import Admitted, Row, Settlement, Status
from batcher.options.watching import WatchOptions
from batcher.rules.choices import Api, Mode
from batcher.rules.ends.room import Room
from batcher.rules.shards.assignment import Shard


@pytest.fixture(params=[Api.OBS_V2, Api.DWR_V3])
async def job(request, emulator, tmp_path):
    async def make(rows=20, **settings):
        made = Job(tmp_path, await emulator(**{"run_time": 0.1} | settings), request.param)
        made.list(f"o{number:03}" for number in range(rows))
        return made

    return make


async def test_no_more_executions_run_than_allowed(job):
    made = await job(run_spread=0.5)
    assert await made.run(max_running=8) is ExitCode.OK
    assert Counter(made.started) == Counter(f"o{number:03}" for number in range(20))
    assert made.service.ledger.most_running == 8
    assert any(text.startswith("slowed by:") and "waiting for ends" in text for text in made.said), made.said


@pytest.mark.long(small=1 / 10, ci=1 / 2)
async def test_answers_that_are_lost_count_as_running_and_are_settled_on_the_way(job):
    made = await job(faults={FaultKind.RESET_AFTER: 0.3, FaultKind.RESET_BEFORE: 0.1}, seed=4)
    assert await made.run(max_running=3) is ExitCode.OK
    assert Counter(made.started) == Counter(f"o{number:03}" for number in range(20))
    assert made.service.ledger.most_running <= 3


async def test_executions_of_an_earlier_run_take_places_until_their_end_is_seen(job):
    made = await job(run_time=1.0)
    assert await made.run(limit=6) is ExitCode.STOPPED
    assert await made.run(max_running=4, limit=3) is ExitCode.STOPPED
    assert made.service.ledger.most_running == 6
    executions = made.service.executions["transcode"]
    times = [executions.find(start.execution_name) for start in made.service.ledger.starts]
    assert times[6].started_at >= sorted(each.ends_at for each in times[:6])[2]


async def test_rows_in_doubt_that_no_list_settles_end_the_run_if_they_take_all_places(emulator, tmp_path):
    made = Job(tmp_path, await emulator(run_time=0.0, faults={FaultKind.RESET_AFTER: 1.0}), Api.OBS_V2)
    made.list(f"o{number:03}" for number in range(20))
    assert await made.run(max_running=3, on_doubt="hold") is ExitCode.ROWS_IN_DOUBT
    assert len(made.started) == 3
    assert any("rows in doubt take all places" in text for text in made.said)


@pytest.mark.long(small=1 / 10, ci=1 / 2)
async def test_an_execution_that_the_list_never_shows_frees_its_place_once_it_is_unknown(emulator, tmp_path):
    seed, (dropped,) = seed_that_drops(0.1, 6, 1)
    made = Job(tmp_path, await emulator(run_time=0.0, quirks={Quirk.DROPS: 0.1}, seed=seed), Api.OBS_V2)
    made.list(f"片 {row}.mp4" for row in range(6))
    assert await made.run(max_running=1) is ExitCode.OK
    assert len(made.started) == 6
    lines = [json.loads(line) for line in (tmp_path / "m.csv.ends.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines if line["end"] == "unknown"] == [dropped + 1]


@pytest.mark.long(small=1 / 10, ci=1 / 2)
async def test_a_list_that_does_not_show_our_executions_is_named_as_what_the_run_waits_for(emulator, tmp_path):
    made = Job(tmp_path, await emulator(run_time=0.0, quirks={Quirk.EMPTY_LIST: None}), Api.OBS_V2)
    made.list(f"o{number:03}" for number in range(20))
    drain = Drain()
    running = asyncio.create_task(made.run(drain, max_running=3))
    while not any("does not show" in text for text in made.said):  # noqa: ASYNC110 - the voice sends no events
        await asyncio.sleep(0.01)
    drain.begin(ExitCode.STOPPED)
    assert await running is ExitCode.STOPPED
    assert len(made.started) == 3


async def test_the_progress_shows_what_runs_and_what_waits_for_it(emulator, tmp_path):
    made = Job(tmp_path, await emulator(run_time=30.0), Api.OBS_V2)
    made.list(f"o{number:03}" for number in range(20))
    drain, monitors = Drain(), []
    running = asyncio.create_task(made.run(drain, max_running=5, attend=monitors.append))
    # Figures send no events.
    while not (monitors and monitors[0].figures().running == 5 and monitors[0].figures().cause):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    shown = monitors[0].figures()
    assert (shown.running, shown.cause, shown.state) == (5, "ends", "slowed by waiting for ends")
    assert 0 < shown.delayed <= 15
    assert 0 <= shown.running_age < 5
    with pytest.raises(BusyError, match="another process follows"):
        await watch_job(WatchOptions(checkpoint=made.checkpoint, progress=Mode.NONE), made.world)
    drain.begin(ExitCode.STOPPED)
    assert await running is ExitCode.STOPPED
    assert len(made.started) == 5


async def test_shards_have_no_common_maximum(emulator, tmp_path):
    made = Job(tmp_path, await emulator(), Api.OBS_V2)
    made.list("a")
    with pytest.raises(UsageError, match="shards cannot be combined"):
        await made.run(max_running=1, shard=Shard(0, 2))


def test_a_row_that_another_job_has_in_doubt_takes_no_place():
    room = Room(2, 0, 0, is_proven=True)
    rows = [Admitted(id_, Row(number, 1, "b", "o", b"", b""), Status.SENDING) for id_, number in ((7, 1), (8, 2))]
    assert room.let(rows) == 2
    room.settled([Settlement(7, Status.IN_DOUBT), Settlement(8, Status.IN_DOUBT)], {2})
    assert (room.doubts, room.free) == (1, 1)


def test_before_a_start_is_answered_one_row_is_sent_at_a_time():
    room = Room(3, 0, 0, is_proven=False)
    rows = [Admitted(id_, Row(id_, 1, "b", "o", b"", b""), Status.SENDING) for id_ in range(5)]
    assert room.let(rows) == 1
    assert room.let(rows[1:]) == 0
    room.settled([Settlement(0, Status.IN_DOUBT)])
    assert room.let(rows[1:]) == 1
    room.settled([Settlement(1, Status.STARTED)])
    assert (room.let(rows[2:]), room.free) == (1, 0)


STATUSES = [Status.STARTED, Status.IN_DOUBT, Status.REJECTED, Status.PENDING]


@given(st.integers(1, 8), st.integers(0, 12), st.integers(0, 4), st.data())
def test_what_runs_and_what_may_run_never_exceeds_the_maximum(most, running, doubts, data):
    room = Room(most, running, doubts, is_proven=True)
    may_run, number = running + doubts, 0
    for _ in range(data.draw(st.integers(0, 20))):
        wanted = data.draw(st.lists(st.sampled_from([Status.SENDING, Status.INVALID]), min_size=1, max_size=6))
        rows = [Admitted(number + at, Row(1, 1, "b", "o", b"", b""), status) for at, status in enumerate(wanted)]
        number += len(rows)
        before = max(may_run, most)
        let = room.let(rows)
        sent = [row for row in rows[:let] if row.status is Status.SENDING]
        may_run += len(sent)
        assert may_run <= before
        # Nothing waits while there is room.
        assert let == len(rows) or may_run >= most
        ends = [Settlement(row.id, data.draw(st.sampled_from(STATUSES))) for row in sent]
        room.settled([*ends, *(Settlement(row.id, Status.INVALID) for row in rows[:let] if row not in sent)])
        may_run -= sum(each.status in {Status.REJECTED, Status.PENDING} for each in ends)
        if room.running:
            seen = data.draw(st.integers(0, room.running))
            room.ended(seen)
            may_run -= seen
        if room.doubts:
            adopted = data.draw(st.integers(0, room.doubts))
            others = data.draw(st.integers(0, room.doubts - adopted))
            room.found(adopted, others)
            may_run -= others
        assert most - room.free == may_run
