"""Files torn and damaged in every way that can be listed: a resume finishes them, or refuses them and says what to do.

Nothing here is repaired by guessing: what is read back is what was once durable, or the file is not used at all.
"""

import csv
import io
import json
import random
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest

from batcher.edges.checkpoint import Answered, open_checkpoint
from batcher.edges.records import open_output
from batcher.errors import DiskError, ExitCode, JobError
from batcher.flow.repair import LEFT_OPEN, resume
from batcher.model import Answer, Execution, Outcome, Row, Settlement, Status
from batcher.rules.job.card import Card
from batcher.rules.records.codec import record_of, timestamp
from batcher.rules.rows.admission import Policy, admission, left_alone

CARD = Card("https://obs.example.com", "transcode")
POLICY = Policy()
LENGTH = "length of the output"
BLOCK = 20
TORN = 4096


def row(number):
    # a line break in every third key: a CSV record then spans lines of the file
    name = f"clip {number}\n.mp4" if number % 3 == 0 else f"clip {number}.mp4"
    return Row(number, number + 1, "videos", name, b"", f"{number:016d}".encode())


class Job(NamedTuple):
    """A job's two files and the rows of its manifest."""

    checkpoint: Path
    output: Path
    rows: list[Row]


async def admit(checkpoint, rows):
    """Take rows in as the producer does."""
    sifted = await checkpoint.sift(rows, left_alone(POLICY))
    admitted = [a for a in (admission(found, POLICY) for found in sifted.found) if a is not None]
    await checkpoint.admit(admitted, 100.0)
    return admitted


def started(admitted):
    return Outcome(admitted, Status.STARTED, Answer(200), Execution(f"{admitted.id:032x}"), 1, 0.012)


def record(output, admitted):
    return append(output, [record_of(started(each), timestamp(200.0)) for each in admitted])


def append(output, records):
    """Append a block of records. Gives the file's length."""
    output.append(output.compose(records))
    return output.length


async def settle(checkpoint, admitted, length):
    settlements = [Settlement(each.id, Status.STARTED, f"{each.id:032x}") for each in admitted]
    answered = Answered([record_of(started(each), timestamp(200.0)) for each in admitted], 200.0)
    await checkpoint.settle(settlements, {LENGTH: length}, 200.0, None, answered)


async def interrupted(folder, suffix, count, settled):
    """Make the files of a run that was killed when all rows were on record and only the first `settled` settled."""
    job = Job(folder / "m.checkpoint", folder / f"m.{suffix}", [row(number) for number in range(1, count + 1)])
    async with open_checkpoint(job.checkpoint, CARD) as checkpoint, open_output(job.output, None) as output:
        admitted = await admit(checkpoint, job.rows)
        await settle(checkpoint, admitted[:settled], record(output, admitted[:settled]))
        record(output, admitted[settled:])
    return job


def statuses(output):
    """Read the whole file with the standard library alone: each row's number and status, in order."""
    text = output.read_bytes().decode()
    if output.suffix == ".csv":
        lines = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        assert text.endswith("\r\n")
    else:
        lines = [json.loads(line) for line in text.splitlines()]
        assert text.endswith("\n")
    return [(int(line["row"]), line["status"]) for line in lines]


def assert_finished(job, cut):
    """Check that what was whole is believed, and that each other row has a line of its own."""
    found = statuses(job.output)
    believed = [number for number, status in found if status == "started"]
    assert believed == list(range(1, len(believed) + 1)), cut
    in_doubt = range(len(believed) + 1, len(job.rows) + 1)
    assert found[len(believed) :] == [(number, "in_doubt") for number in in_doubt], cut


CUT_FILES = pytest.mark.parametrize(("suffix", "count", "settled"), [("jsonl", 30, 10), ("csv", 50, 10)])


@pytest.mark.long(small=1 / 20, ci=1 / 2)
@CUT_FILES
async def test_an_output_cut_at_each_of_its_last_bytes_is_finished_with_one_line_for_each_row(
    tmp_path, share, suffix, count, settled
):
    job = await interrupted(tmp_path, suffix, count, settled)
    whole = job.output.read_bytes()
    assert len(whole) > TORN
    async with open_checkpoint(job.checkpoint, CARD) as checkpoint:
        known, left = await checkpoint.recall(LENGTH), await checkpoint.unsettled(LEFT_OPEN)
    for cut in share(range(len(whole) - TORN, len(whole) + 1)):
        job.output.write_bytes(whole[:cut])
        settlements = []

        async with open_output(job.output, known) as output:

            async def keep(made, records, settlements=settlements, output=output):
                append(output, records)
                settlements.extend(made)

            await resume(left, output.recovered, keep, 300.0)
        assert_finished(job, cut)
        assert [each.id for each in left] == sorted(each.id for each in settlements)


@CUT_FILES
async def test_after_the_resume_of_a_cut_output_the_checkpoint_has_nothing_to_send(tmp_path, suffix, count, settled):
    job = await interrupted(tmp_path, suffix, count, settled)
    whole, as_it_was = job.output.read_bytes(), job.checkpoint.read_bytes()
    for cut in range(len(whole) - TORN, len(whole) + 1, 61):
        job.output.write_bytes(whole[:cut])
        job.checkpoint.write_bytes(as_it_was)
        async with open_checkpoint(job.checkpoint, CARD) as checkpoint:
            async with open_output(job.output, await checkpoint.recall(LENGTH)) as output:

                async def keep(made, records, checkpoint=checkpoint, output=output):
                    await checkpoint.settle(made, {LENGTH: append(output, records)}, 300.0)

                left = await checkpoint.unsettled(LEFT_OPEN)
                await resume(left, output.recovered, keep, 300.0)
            assert await admit(checkpoint, job.rows) == []
            assert await checkpoint.recall(LENGTH) == job.output.stat().st_size
        assert_finished(job, cut)


@CUT_FILES
async def test_an_output_that_lost_what_is_settled_is_refused_and_left_as_it_is(tmp_path, suffix, count, settled):
    job = await interrupted(tmp_path, suffix, count, settled)
    whole = job.output.read_bytes()
    async with open_checkpoint(job.checkpoint, CARD) as checkpoint:
        known = await checkpoint.recall(LENGTH)
    for cut in range(1, known, 97):
        job.output.write_bytes(whole[:cut])
        with pytest.raises(JobError) as caught:
            async with open_output(job.output, known):
                pass
        assert caught.value.exit_code is ExitCode.OTHER_JOB
        assert job.output.read_bytes() == whole[:cut]


class Remembered(NamedTuple):
    """All that a checkpoint tells: the state of each row by its number (None: unknown), and the output's length."""

    states: list[Status | None]
    named: list[tuple[int, str]]
    length: int | None


async def read_back(job, order=None):
    """Give all that the checkpoint tells, or the error that refuses it; whatever else is raised fails the test.

    The manifest's rows come in their order, or in the one that is given.
    """
    try:
        async with open_checkpoint(job.checkpoint, CARD) as checkpoint:
            rows, states = order or job.rows, {}
            for first in range(0, len(rows), BLOCK):
                sifted = await checkpoint.sift(rows[first : first + BLOCK], frozenset())
                states |= {found.row.number: found.status for found in sifted.found}
            unsettled = await checkpoint.unsettled(set(Status))
            known = Remembered(
                [states[row.number] for row in job.rows],
                [(each.number, each.object) for each in unsettled],
                await checkpoint.recall(LENGTH),
            )
            assert sum((await checkpoint.count_unsettled()).values()) == len(unsettled)
            return known
    except JobError as error:
        return error


def is_refusal(found):
    """Tell whether this refuses the file, with the exit code of a damaged or foreign file and with advice."""
    if not isinstance(found, JobError):
        return False
    assert found.exit_code in {ExitCode.DISK, ExitCode.OTHER_JOB}
    assert found.advice.endswith(".")
    return True


async def committed(folder, count=400):
    """Make a checkpoint commit by commit; give its job, its history, and its two files as a kill would leave them."""
    job = Job(folder / "m.checkpoint", folder / "m.jsonl", [row(number) for number in range(1, count + 1)])
    unknown = Remembered([None] * count, [], None)
    history = [unknown]
    files = {}
    async with open_checkpoint(job.checkpoint, CARD) as checkpoint:
        for first in range(0, count, BLOCK):
            admitted = await admit(checkpoint, job.rows[first : first + BLOCK])
            named = [(each.row.number, each.row.object) for each in admitted]
            after = [*[Status.STARTED] * first, *[Status.SENDING] * BLOCK, *[None] * (count - first - BLOCK)]
            history.append(Remembered(after, named, history[-1].length))
            if first + BLOCK < count:
                await settle(checkpoint, admitted, first + 1)
                settled = [*[Status.STARTED] * (first + BLOCK), *[None] * (count - first - BLOCK)]
                history.append(Remembered(settled, [], first + 1))
        for end in ("", "-wal"):
            path = Path(f"{job.checkpoint}{end}")
            files[path] = path.read_bytes()
    return job, history, files


def put(files):
    for path in files:
        Path(f"{path}-shm").unlink(missing_ok=True)
        path.write_bytes(files[path])


async def test_a_write_ahead_log_cut_anywhere_is_an_earlier_commit_and_never_half_of_one(tmp_path):
    job, history, files = await committed(tmp_path)
    main, log = files
    reached = 0
    for cut in range(0, len(files[log]) + 1, 2003):
        put(files | {log: files[log][:cut]})
        found = await read_back(job)
        assert found in history, cut
        assert history.index(found) >= reached, cut
        reached = history.index(found)
    put(files)
    assert await read_back(job) == history[-1]
    assert reached > len(history) - 5
    assert main.read_bytes() != files[main]


async def test_a_write_ahead_log_with_a_flipped_byte_is_an_earlier_commit_or_refused(tmp_path):
    job, history, files = await committed(tmp_path)
    _, log = files
    dice = random.Random(1)
    for _ in range(100):
        at = dice.randrange(len(files[log]))
        put(files | {log: flipped(files[log], at, dice)})
        found = await read_back(job)
        assert is_refusal(found) or found in history, at


async def test_a_checkpoint_that_a_lying_disk_has_emptied_does_not_go_with_its_output(tmp_path):
    job = await interrupted(tmp_path, "jsonl", 30, 10)
    job.checkpoint.write_bytes(b"")
    found = await read_back(job)
    assert found == Remembered([None] * 30, [], None)
    with pytest.raises(JobError, match="does not know") as caught:
        async with open_output(job.output, found.length):
            pass
    assert is_refusal(caught.value)


def flipped(data, at, dice):
    return data[:at] + bytes([data[at] ^ dice.randrange(1, 256)]) + data[at + 1 :]


async def closed(folder):
    """Make a checkpoint that was closed in good order; give its job, all that it tells, and its bytes."""
    job, history, _ = await committed(folder)
    return job, history[-1], job.checkpoint.read_bytes()


async def test_a_checkpoint_cut_anywhere_is_refused(tmp_path):
    job, _, whole = await closed(tmp_path)
    # SQLite takes a file of one byte for an empty one.
    for cut in range(2, len(whole), 499):
        job.checkpoint.write_bytes(whole[:cut])
        found = await read_back(job)
        assert is_refusal(found), cut
        assert job.checkpoint.read_bytes() == whole[:cut]


@pytest.mark.parametrize("filling", ["zeros", "ones", "noise", "the page before"])
async def test_a_checkpoint_with_a_page_overwritten_is_refused(tmp_path, filling):
    job, _, whole = await closed(tmp_path)
    size = 4096
    for at in range(0, len(whole), size):
        page = {
            "zeros": bytes(size),
            "ones": b"\xff" * size,
            "noise": random.Random(at).randbytes(size),
            "the page before": whole[at - size : at] if at else whole[size : 2 * size],
        }[filling]
        job.checkpoint.write_bytes(whole[:at] + page + whole[at + size :])
        assert is_refusal(await read_back(job)), at // size + 1


async def test_a_checkpoint_that_lacks_a_row_that_was_committed_is_refused(tmp_path):
    # As in a copy whose file is older than its log: every entry that is left is valid.
    job, *_ = await closed(tmp_path)
    db = sqlite3.connect(job.checkpoint)
    assert db.execute("DELETE FROM settled WHERE id = (SELECT max(id) FROM settled)").rowcount == 1
    db.commit()
    db.close()
    assert is_refusal(await read_back(job))


async def test_each_byte_of_a_checkpoints_header_may_be_flipped_and_it_is_refused_or_tells_the_truth(tmp_path):
    job, truth, whole = await closed(tmp_path)
    dice = random.Random(2)
    refused = 0
    for at in range(100):
        job.checkpoint.write_bytes(flipped(whole, at, dice))
        found = await read_back(job)
        refused += is_refusal(found)
        assert isinstance(found, JobError) or found == truth, at
    assert refused > 20


@pytest.mark.long(small=1 / 30, ci=1 / 3)
@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("seed", range(30))
async def test_a_checkpoint_with_any_byte_flipped_is_refused_or_tells_the_truth(tmp_path, seed, is_shuffled):
    job, truth, whole = await closed(tmp_path)
    dice = random.Random(seed)
    for _ in range(100):
        at = dice.randrange(len(whole))
        job.checkpoint.write_bytes(flipped(whole, at, dice))
        found = await read_back(job, dice.sample(job.rows, len(job.rows)) if is_shuffled else None)
        assert is_refusal(found) or found == truth, at


async def test_a_damaged_row_is_not_taken_for_a_new_one_also_if_no_other_row_is_looked_up(tmp_path):
    job = await interrupted(tmp_path, "jsonl", 2100, 2100)
    # Far from the first and the last rows, which are read in any case.
    whole, known = job.checkpoint.read_bytes(), job.rows[1100]
    job = job._replace(rows=[row(10_000), known])
    assert (await read_back(job)).states == [None, Status.STARTED]
    at = whole.index(known.key)
    for place in (at, at + 15):
        job.checkpoint.write_bytes(flipped(whole, place, random.Random(place)))
        assert is_refusal(await read_back(job)), place


async def test_a_changed_name_of_an_execution_is_not_taken_for_one_that_nobody_owns(tmp_path):
    job, _, whole = await closed(tmp_path)
    listed = [Execution(f"{number:032x}", at=1.0) for number in range(1, len(job.rows) - BLOCK + 1)]
    name = bytes.fromhex(listed[200].name)
    for at in (whole.index(name), whole.index(name) + 15):
        job.checkpoint.write_bytes(flipped(whole, at, random.Random(at)))
        with pytest.raises(DiskError, match="wrong checksums in the table settled: 1"):
            await unowned(job, listed)
    job.checkpoint.write_bytes(whole)
    assert await unowned(job, listed) == []


async def unowned(job, listed):
    async with open_checkpoint(job.checkpoint, CARD) as checkpoint:
        await checkpoint.note_listed(listed)
        return await checkpoint.unowned()
