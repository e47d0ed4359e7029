"""Runs one shard as `batcher run` does, on a machine that is named on the command line.

`python tests/attempt_driver.py MACHINE FENCE WORDS...`: two processes with different machines cannot see each other's
locks as proofs, as on two machines. FENCE is `fenced`, or `unfenced` for a negative control: then the process never
learns that it was taken over, so that the judge must see rows that are started twice.
"""

import asyncio
import os
import sys

from batcher.app import attempt
from batcher.app.run import run_job
from batcher.app.world import World
from batcher.cli.flags import options_of, verb_command
from batcher.edges.attempts import Claimed
from batcher.errors import JobError
from batcher.flow.drain import Drain
from batcher.rules.shards.attempts import Machine

attempt.BEAT_SECONDS = 0.2
attempt.LOOK_SECONDS = 0.05


def main(machine, fence, *words):
    if fence == "unfenced":
        Claimed.is_fenced = lambda _claimed: False
    options = options_of(verb_command("run").make_context("run", [*words]))
    world = World(environment=os.environ, machine=lambda: Machine(machine, machine))
    try:
        return int(asyncio.run(run_job(options, world, Drain())))
    except JobError as error:
        world.voice.complain(error)
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
