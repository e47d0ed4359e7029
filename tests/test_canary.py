"""Whole runs with a canary in both APIs against the emulator. Its ledger is the judge, never what the run reports."""

import os
from collections import Counter
from contextlib import nullcontext

import pytest
from conftest import KEYS
from hypothesis import given
from hypothesis import strategies as st

from batcher.app.run import run_job
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.emulator.documents import PROJECT
from batcher.errors import ExitCode, UsageError
from batcher.flow.drain import Drain
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Api, Mode
from batcher.rules.ends.canary import Canary, Tried, Verdict, decoded, encoded
from batcher.rules.rows.spread import Spread, in_order_of_trial, most_candidates
from batcher.rules.shards.assignment import Shard


class Job:
    """A job in a folder, over one service, in one of the APIs."""

    def __init__(self, folder, service, api):
        self.folder, self.service, self.api, self.said = folder, service, api, []
        self.manifest = folder / "m.csv"
        self.checkpoint = folder / "m.csv.checkpoint"
        self.world = World(
            Voice(lambda _, text: self.said.append(text)),
            KEYS | {"XDG_STATE_HOME": str(folder)},
            draining_on_signals=lambda *_: nullcontext(),
        )

    def list(self, keys):
        self.manifest.write_text("object\n" + "".join(f"{key}\n" for key in keys))

    async def run(self, drain=None, attend=None, **options):
        given = {"manifest": self.manifest, "workflow": "transcode", "endpoint": self.service.url, "bucket": "videos"}
        given |= {"progress": Mode.NONE, "concurrency": 8, "api": self.api, "project_id": PROJECT, "settle_time": 0.2}
        self.said.clear()
        return await run_job(RunOptions(**given | options), self.world, drain or Drain(), attend=attend)

    @property
    def started(self):
        return [start.object for start in self.service.ledger.starts]


@pytest.fixture(params=[Api.OBS_V2, Api.DWR_V3])
async def job(request, emulator, tmp_path):
    async def make(rows=60, **settings):
        made = Job(tmp_path, await emulator(**{"run_time": 0.0} | settings), request.param)
        made.list(f"o{number:03}" for number in range(rows))
        return made

    return make


async def test_canaries_are_started_and_watched_before_all_others(job):
    made = await job(run_time=0.3)
    assert await made.run(canary=5) is ExitCode.OK
    # One from each fifth of the list.
    assert sorted(int(key[1:]) // 12 for key in made.started[:5]) == [0, 1, 2, 3, 4]
    assert sorted(made.started) == [f"o{number:03}" for number in range(60)]
    starts = made.service.ledger.starts
    executions = made.service.executions["transcode"]
    ends = [executions.find(start.execution_name).ends_at for start in starts[:5]]
    assert executions.find(starts[5].execution_name).started_at >= max(ends)
    assert "canary: passed, 5 of 5 executions succeeded" in made.said


async def test_a_canary_that_fails_ends_with_8_and_its_causes_until_it_is_declared_passed(job):
    made = await job(fail_share=1.0)
    for _ in range(2):
        assert await made.run(canary=4) is ExitCode.CANARY
        assert len(made.started) == 4
    # Nor does a command without the option go on.
    assert await made.run() is ExitCode.CANARY
    assert len(made.started) == 4
    assert await made.run(canary=4, canary_passed=True) is ExitCode.OK
    assert sorted(made.started) == [f"o{number:03}" for number in range(60)]
    assert await made.run(canary=4) is ExitCode.OK


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_rows_that_cannot_be_started_are_replaced(job):
    made = await job(reject_share=0.5, seed=3)
    assert await made.run(canary=10) is ExitCode.ROWS_REJECTED
    assert "canary: passed, 10 of 10 executions succeeded" in made.said
    assert 10 < len(made.started) == len(set(made.started)) < 60


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_duplicates_and_bad_rows_are_no_canaries(job):
    made = await job()
    made.list(["same"] * 50 + ["x" * 2000] + ["other"])
    assert await made.run(canary=2) is ExitCode.ROWS_REJECTED
    assert Counter(made.started) == {"same": 1, "other": 1}


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_a_list_with_fewer_rows_is_its_own_canary(job):
    made = await job(rows=3, fail_share=0.0)
    assert await made.run(canary=10) is ExitCode.OK
    assert sorted(made.started) == ["o000", "o001", "o002"]
    assert "canary: passed, 3 of 3 executions succeeded" in made.said


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_a_canary_whose_rows_are_all_rejected_does_not_try_the_whole_list(job):
    made = await job(rows=400, reject_share=1.0)
    assert await made.run(canary=3) is not ExitCode.OK
    assert made.service.ledger.requests["start"] <= most_candidates(3)


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_enough_is_what_the_user_says(job):
    made = await job(fail_share=0.3, seed=5)
    code = await made.run(canary=20, canary_success="100%")
    (failed,) = [text for text in made.said if text.startswith("canary: failed,")]
    succeeded = int(failed.split()[2])
    assert code is ExitCode.CANARY
    assert 0 < succeeded < 20
    assert any("The media cannot be decoded" in text for text in made.said)


@pytest.mark.long(small=1 / 2, ci=1 / 2)
@pytest.mark.parametrize("sample", [5.0, 95.0])
async def test_a_share_that_suffices_lets_the_run_go_on(emulator, tmp_path, sample):
    made = Job(tmp_path, await emulator(run_time=0.0, fail_share=0.3, seed=5), Api.OBS_V2)
    made.list(f"o{number:03}" for number in range(60))
    code = await made.run(canary=20, canary_success=sample)
    assert (code, len(made.started)) == ((ExitCode.OK, 60) if sample < 50 else (ExitCode.CANARY, 20))


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_a_limit_counts_the_canaries_too(job):
    made = await job()
    assert await made.run(canary=5, limit=12) is ExitCode.STOPPED
    assert len(made.started) == 12
    assert await made.run(canary=5, limit=5) is ExitCode.STOPPED
    assert len(made.started) == 17
    with pytest.raises(UsageError, match="--limit is less"):
        await made.run(canary=5, limit=4)


async def test_what_cannot_be_read_twice_has_no_canary(emulator, tmp_path):
    made = Job(tmp_path, await emulator(), Api.OBS_V2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    files = {"checkpoint": tmp_path / "c", "output": tmp_path / "o.jsonl"}
    for manifest in ("-", pipe):
        with pytest.raises(UsageError, match="standard input and pipes"):
            await made.run(manifest=manifest, format="txt", canary=1, **files)
    made.list("a")
    with pytest.raises(UsageError, match="shards cannot be combined"):
        await made.run(canary=1, shard=Shard(0, 2))
    with pytest.raises(UsageError, match="has had no canary"):
        await made.run(canary=1, canary_passed=True)
    assert made.started == []


@pytest.mark.long(small=1 / 2, ci=1 / 2)
async def test_a_job_that_had_begun_takes_its_canaries_from_the_rest(job):
    made = await job()
    assert await made.run(limit=20) is ExitCode.STOPPED
    before = set(made.started)
    assert await made.run(canary=4, limit=4) is ExitCode.STOPPED
    assert "canary: passed, 4 of 4 executions succeeded" in made.said
    assert len(made.started) == 24
    assert await made.run() is ExitCode.OK
    assert sorted(made.started) == [f"o{number:03}" for number in range(60)]
    assert not before & set(made.started[20:])


@given(st.integers(0, 3000), st.integers(1, 60))
def test_canaries_are_spread_over_a_list_of_any_length_and_always_the_same(rows, number):
    most = most_candidates(number)
    spread = Spread(most)
    for row in range(rows):
        spread.add(row)
    tried = in_order_of_trial(spread.kept, number)
    assert sorted(tried) == spread.kept
    assert len(spread.kept) <= most
    assert spread.is_whole == (rows <= most)
    if rows > most:
        assert len(spread.kept) >= most / 2 >= number
        first = sorted(tried[:number])
        # Each canary stands for about as many rows as any other.
        gaps = [after - before for before, after in zip([-1, *first], [*first, rows], strict=True)]
        assert max(gaps) <= 4 * rows / number


@given(
    st.builds(
        Canary,
        st.integers(1, 1000),
        st.floats(0, 100),
        st.lists(st.text("0123456789abcdef", min_size=32, max_size=32)).map(tuple),
        st.sampled_from(Tried),
        st.sampled_from(Verdict),
        st.dictionaries(st.sampled_from(["succeeded", "failed", "unknown", "Odd"]), st.integers(1, 1000)),
    )
)
def test_the_state_of_a_canary_is_read_as_it_was_written(canary):
    assert decoded(encoded(canary)) == canary
    assert decoded(None) is None


@pytest.mark.parametrize(
    ("canary", "ends", "verdict"),
    [
        (Canary(4, 100.0), {"succeeded": 4}, Verdict.PASSED),
        (Canary(4, 100.0), {"succeeded": 3, "unknown": 1}, Verdict.FAILED),
        (Canary(4, 75.0), {"succeeded": 3, "timed_out": 1}, Verdict.PASSED),
        (Canary(4, 75.1), {"succeeded": 3, "Odd": 1}, Verdict.FAILED),
        (Canary(4, 0.0), {"failed": 4}, Verdict.PASSED),
        # More may have started than asked for, and fewer if the list has no more.
        (Canary(4, 100.0), {"succeeded": 5}, Verdict.PASSED),
        (Canary(4, 100.0, tried=Tried.LIST), {"succeeded": 2}, Verdict.PASSED),
        (Canary(4, 100.0, tried=Tried.LIST), {}, Verdict.PASSED),
        (Canary(4, 100.0, tried=Tried.CANDIDATES), {"succeeded": 3}, Verdict.FAILED),
        (Canary(4, 0.0, tried=Tried.CANDIDATES), {}, Verdict.FAILED),
    ],
)
def test_a_canary_passes_if_enough_of_it_succeeded(canary, ends, verdict):
    assert canary.judged(ends).verdict is verdict
