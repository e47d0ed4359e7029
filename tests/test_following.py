"""What the library does after a run: it watches, redrives, and shows the ends, as the commands do."""

import asyncio
import inspect

import pytest
from conftest import KEYS
from test_redrive import Redriven

import batcher
from batcher.options.declaring import declared_by
from batcher.options.redriving import RedriveOptions
from batcher.rules.choices import Api


@pytest.mark.parametrize("is_sync", [False, True])
async def test_a_program_watches_redrives_and_sees_the_ends(emulator, tmp_path, caplog, is_sync):
    job = Redriven(tmp_path, await emulator(run_time=0.0, fail_share=0.5), Api.OBS_V2)
    manifest = tmp_path / "m.csv"
    await job.run(rows=8)
    assert batcher.ends(manifest) is None
    given = {"environment": KEYS, "settle_time": "1s", "interval": 1}

    async def call(name, **more):
        if is_sync:
            return await asyncio.to_thread(getattr(batcher, f"{name}_sync"), manifest, **given, **more)
        return await getattr(batcher, name)(job.checkpoint, **given, **more)

    caplog.set_level("INFO", "batcher")
    assert await call("watch") is batcher.ExitCode.ENDS
    failed = sum(end == "failed" for end in job.true_ends().values())
    seen = batcher.ends(manifest)
    assert (seen.running, dict(seen.ends)) == (0, {"succeeded": 8 - failed, "failed": failed})
    assert await call("redrive", only=["failed"], max_redrives=1) is batcher.ExitCode.OK
    assert len(job.restores) == failed == batcher.ends(manifest).redriven.executions
    assert f"redrive:   {failed} restored" in caplog.messages


async def test_the_arguments_are_the_options_and_an_error_speaks_of_arguments(tmp_path):
    parameters = inspect.signature(batcher.redrive).parameters
    options = {each.name for each in declared_by(RedriveOptions)} - {"as_json", "on_end", "dry_run"}
    assert set(parameters) == options | {"environment"}
    with pytest.raises(batcher.UsageError, match="max_redrives"):
        await batcher.redrive(tmp_path / "m.checkpoint", max_redrives=0)
    with pytest.raises(TypeError, match="on_end: only the command"):
        await batcher.watch(tmp_path / "m.checkpoint", on_end="true")
