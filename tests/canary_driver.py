"""The driver of the crash points of closed loops: a run with a canary, or with a maximum of running executions.

As `crash_driver`, whose steps it uses: `python tests/canary_driver.py FOLDER` reads trials as JSON from stdin, each a
list of steps to crash at, one after another, and the options of its run; trial number N leaves its files in FOLDER/N.
"""

import asyncio
import json
import os
from functools import partial

from crash_driver import SHARES, Steps, ended, forked, ledger, play_all, seed_of_faults, serving

from batcher.app.run import run_job
from batcher.app.world import World
from batcher.edges.ends import EndStore
from batcher.emulator.documents import PROJECT
from batcher.emulator.server import serve
from batcher.emulator.settings import MADE_UP, Settings
from batcher.flow.drain import Drain
from batcher.options.verbs import RunOptions
from batcher.rules.choices import Mode

ROWS = 12
RUN_TIME = 0.4
END_STEPS = ("before ends commit", "after ends commit")


def emulate(folder, told, seed):
    """Serve until killed; the URL goes into the pipe `told`."""
    settings = Settings(ledger=folder / "ledger", seed=seed, faults=SHARES, list_delay=0.1, run_time=RUN_TIME)

    async def serving():
        async with serve(settings) as emulator:
            os.write(told, emulator.url.encode() + b"\n")
            await asyncio.Event().wait()

    asyncio.run(serving())
    return 0


def watch_ends(steps):
    """Put a step before and after what the store of the ends commits."""
    commit = EndStore.commit

    def watched_commit(store, *given, **named):
        steps.reach(END_STEPS[0])
        commit(store, *given, **named)
        steps.reach(END_STEPS[1])

    EndStore.commit = watched_commit


def run(folder, url, crash_at, options):
    """Run the job as `batcher run` would, but crash at a step, if it comes to that."""
    os.dup2(os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    steps = Steps(crash_at, folder)
    steps.watch()
    watch_ends(steps)
    given = {
        "manifest": folder / "m.csv", "workflow": "transcode", "endpoint": url, "bucket": "videos", "concurrency": 4,
        "max_attempts": 9, "settle_time": 0.3, "progress": Mode.NONE, "project_id": PROJECT,
    }  # fmt: skip
    environment = {
        "OBS_ACCESS_KEY_ID": MADE_UP.access_key,
        "OBS_SECRET_ACCESS_KEY": MADE_UP.secret_key,
        "XDG_STATE_HOME": str(folder / "state"),
    }
    code = asyncio.run(run_job(RunOptions(**given | options), World(environment=environment), Drain()))
    (folder / "steps").write_text(str(steps.done))
    return int(code)


def play(folder, trial, seed):
    """Play one trial: crash at each of these steps, one run after another, then run to the end."""
    crashes, options = trial
    folder.mkdir()
    (folder / "m.csv").write_text("object\n" + "".join(f"o{number}\n" for number in range(ROWS)))
    codes = []
    with serving(lambda tells: emulate(folder, tells, seed)) as url:
        for crash_at in (*crashes, None):
            codes.append(ended(forked(lambda at=crash_at: run(folder, url, at, options))))
            ledger(url)
    (folder / "trial.json").write_text(json.dumps({"crashes": crashes, "codes": codes}))
    return 0


if __name__ == "__main__":
    play_all(partial(play, seed=seed_of_faults()))
