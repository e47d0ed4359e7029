"""The driver of the crash points of a redrive: children that end themselves at a chosen step, as in `crash_driver`.

`python tests/redrive_driver.py FOLDER` reads trials as JSON from stdin: each the steps to crash at, one redrive after
another, and the API. Trial number N leaves its files and its `trial.json` in FOLDER/N.
"""

import asyncio
import json
import os
from functools import partialmethod

from crash_driver import PLAIN, Steps, ended, forked, ledger, options, play_all, run, serving

from batcher.app.redrive import redrive_job
from batcher.app.world import World
from batcher.edges.ends import EndStore
from batcher.emulator.faults import FaultKind
from batcher.emulator.parsing import parse_quirk
from batcher.emulator.server import serve
from batcher.emulator.settings import MADE_UP, Settings
from batcher.options.redriving import RedriveOptions
from batcher.rules.choices import Mode

QUIRKS = ("restore-any", "restore-hidden=0.2")
"""A second restore is not refused, so that the ledger has it; and a state shows a restore a little later."""
FAULTS = {FaultKind.INTERNAL_AFTER: 0.15, FaultKind.RESET_AFTER: 0.15, FaultKind.INTERNAL: 0.15}
STORE_STEPS = ("before commit of ends", "after commit of ends")


def _committing(store, steps, act, *given, **named):
    steps.reach(STORE_STEPS[0])
    act(store, *given, **named)
    steps.reach(STORE_STEPS[1])


class RedriveSteps(Steps):
    """The durable steps of a redrive: what a run has, and the commits of the ends."""

    def watch(self):
        super().watch()
        for name in ("commit", "change", "describe"):
            setattr(EndStore, name, partialmethod(_committing, self, getattr(EndStore, name)))


def emulate(folder, told):
    """Serve executions that all fail, and succeed once they are restored, until killed."""
    settings = Settings(
        ledger=folder / "ledger",
        run_time=0.0,
        fail_share=1.0,
        restore_faults=FAULTS,
        quirks=dict(map(parse_quirk, QUIRKS)),
    )

    async def serving():
        async with serve(settings) as emulator:
            emulator.misses = lambda order: order.object == "missing"
            os.write(told, emulator.url.encode() + b"\n")
            await asyncio.Event().wait()

    asyncio.run(serving())
    return 0


def redrive(folder, url, api, crash_at):
    """Redrive as `batcher redrive` would, but crash at a step, if it comes to that."""
    os.dup2(os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    steps = RedriveSteps(crash_at, folder)
    steps.watch()
    environment = {
        "OBS_ACCESS_KEY_ID": MADE_UP.access_key,
        "OBS_SECRET_ACCESS_KEY": MADE_UP.secret_key,
        "XDG_STATE_HOME": str(folder / "state"),
    }
    job = options(folder, url, api, PLAIN, "")
    given = RedriveOptions(
        checkpoint=job.checkpoint,
        settle_time=0.5,
        concurrency=2,
        timeout=5.0,
        details=0,
        progress=Mode.NONE,
        interval=1.0,
    )
    code = asyncio.run(redrive_job(given, World(environment=environment)))
    if crash_at is None and not (folder / "steps").exists():
        (folder / "steps").write_text(str(steps.done))
    return int(code)


def play(folder, trial):
    """Play one trial: run the job, crash in each redrive at its step, and redrive twice to the end."""
    crashes, api = trial
    folder.mkdir()
    (folder / "m.csv").write_text("object\na\nb\nc\nd\ne\nf\n")
    codes = []
    with serving(lambda tells: emulate(folder, tells)) as url:
        ended(forked(lambda: run(folder, url, api, PLAIN, None, "")))
        for crash_at in (*crashes, None, None):
            codes.append(ended(forked(lambda at=crash_at: redrive(folder, url, api, at))))
            told = ledger(url)
    (folder / "trial.json").write_text(json.dumps({"crashes": crashes, "codes": codes, "told": told}))
    return 0


if __name__ == "__main__":
    play_all(play)
