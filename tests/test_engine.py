"""The engine on plain functions: what is durable before what, how much is ever open, and how it stops."""

import asyncio
from collections import Counter

import pytest

from batcher.errors import DiskError, ExitCode, ServiceError
from batcher.flow import engine
from batcher.flow.drain import Drain
from batcher.flow.queues import Places
from batcher.model import Admitted, BadRow, Execution, Found, Outcome, Row, Status
from batcher.rules.progress.counts import Tally
from batcher.rules.rows.admission import Policy, admission


def row(number):
    return Row(number, number + 1, "b", f"o{number}", b"", number.to_bytes(16, "big"))


async def _all(waits):
    for each in waits:
        await each


class Bench:
    """Plain functions for every part of a job, and a journal of what happened in which order."""

    def __init__(self, rows, concurrency=4, block=10):
        self.rows = rows
        self.block = block
        self.concurrency = concurrency
        self.journal = []
        self.records = []
        self.open = self.most_open = 0
        self.on_wire = self.most_on_wire = 0
        self.fail_at = {}
        self.limit = None
        self.places = Places(concurrency)
        self.look = lambda _: None
        self.drain = Drain()
        self.tally = Tally()

    async def blocks(self):
        for start in range(0, len(self.rows), self.block):
            yield self.rows[start : start + self.block]

    async def sift(self, rows):
        return [Found(each.number, each, None, 1) for each in rows], Counter()

    async def admit(self, admitted):
        self._step("admit", [a.id for a in admitted])
        self.open += len(admitted)
        self.most_open = max(self.most_open, self.open)

    async def fire(self, admitted: Admitted):
        if self.drain.begun:
            return Outcome(admitted, Status.PENDING)
        self._step("send", [admitted.id])
        self.on_wire += 1
        self.most_on_wire = max(self.most_on_wire, self.on_wire)
        await asyncio.sleep(0)
        self.on_wire -= 1
        return Outcome(admitted, Status.STARTED, execution=Execution(f"e{admitted.id}"), attempts=1)

    async def settle(self, settlements, records):
        self._step("write", [record.row for record in records])
        self.records += records
        self._step("settle", [s.id for s in settlements])
        self.open -= len(settlements)

    def _step(self, what, ids):
        self.journal += [(what, id_) for id_ in ids]
        if self.fail_at.get(what) in ids:
            raise DiskError(f"{what} failed")

    async def run(self):
        job = engine.Job(
            blocks=self.blocks(),
            sift=self.sift,
            decide=lambda found: admission(found, Policy()),
            admit=self.admit,
            fire=self.fire,
            settle=self.settle,
            look=self.look,
            now=lambda: 0.0,
            places=self.places,
            limit=self.limit,
        )
        await engine.run(job, self.tally, self.drain)


async def test_each_row_is_admitted_then_sent_then_written_then_settled():
    bench = Bench([row(n) for n in range(1, 101)])
    await bench.run()
    for number in range(1, 101):
        steps = [what for what, id_ in bench.journal if id_ == number]
        assert steps == ["admit", "send", "write", "settle"]
    assert sorted(record.row for record in bench.records) == list(range(1, 101))
    assert (bench.tally.rows, bench.tally.started, bench.tally.read_whole) == (100, 100, True)


@pytest.mark.parametrize("concurrency", [1, 3, 16])
async def test_no_more_than_the_concurrency_is_on_the_wire_and_twice_that_open(concurrency):
    bench = Bench([row(n) for n in range(1, 301)], concurrency=concurrency, block=100)
    await bench.run()
    assert bench.most_on_wire == concurrency
    assert bench.most_open <= 2 * concurrency


@pytest.mark.parametrize("concurrency", [1, 3, 16])
async def test_a_row_that_waits_for_its_next_attempt_lets_others_go_first_and_no_more_are_open(concurrency):
    bench = Bench([row(n) for n in range(1, 301)], concurrency=concurrency, block=100)
    fire, waited = bench.fire, []

    async def some_wait(admitted):
        if admitted.id % 10 == 1:
            before = sum(what == "send" for what, _ in bench.journal)
            # more than what was on the wire before; the last rows have nobody to let go first
            others = (asyncio.sleep(0) for _ in range(3 * concurrency))
            await bench.places.lend(_all(others))
            waited.append(sum(what == "send" for what, _ in bench.journal) - before)
        return await fire(admitted)

    bench.fire = some_wait
    await bench.run()
    assert min(waited[:20]) >= 1
    assert bench.most_on_wire == concurrency
    assert bench.most_open <= 2 * concurrency
    assert sorted(record.row for record in bench.records) == list(range(1, 301))


async def test_where_every_row_waits_the_job_goes_on_with_the_first_that_has_waited():
    bench = Bench([row(n) for n in range(1, 51)], concurrency=2)
    fire = bench.fire

    async def wait(admitted):
        await bench.places.lend(asyncio.sleep(0.001))
        return await fire(admitted)

    bench.fire = wait
    await bench.run()
    assert bench.most_open <= 4
    assert bench.most_on_wire <= 2
    assert sorted(record.row for record in bench.records) == list(range(1, 51))


async def test_invalid_rows_are_written_down_without_being_sent():
    bad = BadRow(2, 3, "", "", "the key is empty", b"x" * 16)
    bench = Bench([row(1), bad, row(3)])
    await bench.run()
    assert [what for what, id_ in bench.journal if id_ == 2] == ["admit", "write", "settle"]
    assert Counter(record.status for record in bench.records) == {Status.STARTED: 2, Status.INVALID: 1}


@pytest.mark.parametrize("step", ["admit", "write", "settle"])
async def test_after_a_disk_error_nothing_more_is_sent_and_the_error_comes_through_alone(step):
    bench = Bench([row(n) for n in range(1, 1001)], concurrency=2)
    bench.fail_at = {step: 40}
    with pytest.raises(DiskError, match=f"{step} failed"):
        await bench.run()
    failed = bench.journal.index((step, 40))
    assert sum(what == "send" for what, _ in bench.journal[failed:]) <= 2
    assert sum(what == "admit" for what, _ in bench.journal[failed + 1 :]) <= 4


async def test_a_drain_settles_what_is_open_and_takes_nothing_new():
    bench = Bench([row(n) for n in range(1, 1001)], concurrency=2)
    fire = bench.fire

    async def fire_and_drain(admitted):
        if admitted.id == 25:
            bench.drain.begin(ExitCode.SIGTERM)
        return await fire(admitted)

    bench.fire = fire_and_drain
    await bench.run()
    sent = {id_ for what, id_ in bench.journal if what == "send"}
    admitted = {id_ for what, id_ in bench.journal if what == "admit"}
    settled = {id_ for what, id_ in bench.journal if what == "settle"}
    assert bench.open == 0
    assert admitted == settled
    assert len(sent) <= 26
    assert {record.row for record in bench.records} == sent
    assert bench.tally.given_back == len(admitted) - len(sent)
    assert not bench.tally.read_whole


async def test_a_drain_does_not_wait_for_a_manifest_that_gives_nothing():
    bench = Bench([])

    async def silent():
        yield [row(1)]
        bench.drain.begin(ServiceError("refused"))
        await asyncio.Event().wait()

    bench.blocks = silent
    await bench.run()
    assert str(bench.drain.reason) == "refused"
    assert bench.open == 0


async def test_only_the_first_reason_of_a_drain_counts():
    drain = Drain()
    drain.begin(ExitCode.SIGINT)
    drain.begin(ServiceError("later"))
    assert drain.reason is ExitCode.SIGINT
    await drain.sleep(3600)


@pytest.mark.parametrize(("limit", "sent"), [(1, 1), (10, 10), (25, 25), (99, 99), (100, 100), (101, 100)])
async def test_no_more_rows_than_the_limit_are_sent_and_the_others_are_not_even_admitted(limit, sent):
    bench = Bench([row(n) for n in range(1, 101)])
    bench.limit = limit
    await bench.run()
    assert [id_ for what, id_ in bench.journal if what == "admit"] == list(range(1, sent + 1))
    assert sorted(id_ for what, id_ in bench.journal if what == "send") == list(range(1, sent + 1))
    assert (bench.tally.is_limited, bench.tally.read_whole) == (sent < 100, sent == 100)


async def test_rows_that_are_only_written_down_do_not_count_for_the_limit():
    bad = [BadRow(n, n + 1, "", "", "the key is empty", n.to_bytes(16, "big")) for n in range(1, 6)]
    bench = Bench([*bad, row(6), row(7)])
    bench.limit = 1
    await bench.run()
    assert [id_ for what, id_ in bench.journal if what == "send"] == [6]
    assert len(bench.records) == 6


async def test_the_counts_are_looked_at_after_each_group_and_may_stop_the_job():
    bench = Bench([row(n) for n in range(1, 1001)], concurrency=2)

    def look(tally):
        if tally.started >= 10:
            bench.drain.begin(ServiceError("enough"))

    bench.look = look
    await bench.run()
    assert 10 <= len(bench.records) <= 14
