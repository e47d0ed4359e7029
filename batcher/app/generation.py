"""The generations of a job: counted in the checkpoint, and in a witness outside the job's folder.

A generation is committed first and witnessed afterwards. A crash in between leaves a witness that knows less than the
checkpoint, never more, so that the newest checkpoint of a job is always accepted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from batcher.edges.checkpoint.facts import GENERATION, JOB_ID
from batcher.edges.checkpoint.lock import locked
from batcher.edges.witness import Reached, Witness, new_job_id, witness_path
from batcher.errors import BusyError, OtherJobError

INTERVAL = 30.0
"""Seconds after which a run begins a new generation."""


class Generation:
    """The current generation of an open checkpoint. `steady` is a clock in seconds that cannot be set.

    It holds the job's witness until it is closed. Raises OtherJobError if the checkpoint is older than its witness, and
    BusyError if a run with a copy of the checkpoint holds it. With `written`, the number of bytes in all outputs of the
    job, an older checkpoint is accepted unless the outputs are older too: it is rebuilt from them.
    """

    def __init__(
        self,
        checkpoint: Path,
        facts: Mapping[str, str | int],
        environment: Mapping[str, str],
        steady: Callable[[], float],
        written: int | None = None,
    ) -> None:
        self._checkpoint = os.path.realpath(checkpoint)
        self._id = str(facts.get(JOB_ID) or new_job_id())
        self._number = int(facts.get(GENERATION, 0))
        self._steady = steady
        self._begun = steady()
        self._witness = Witness(witness_path(self._id, environment), locked)
        try:
            self._need_newest(checkpoint, written)
        except BaseException:
            self.close()
            raise

    @property
    def is_due(self) -> bool:
        """Whether the next commit should begin a new generation."""
        return self._steady() - self._begun >= INTERVAL

    def following(self) -> dict[str, str | int]:
        """Begin a new generation, and return the facts to commit."""
        self._begun = self._steady()
        self._number += 1
        return {JOB_ID: self._id, GENERATION: self._number}

    async def attest(self, written: int = 0) -> None:
        """Write the generation to the witness. It must be committed before.

        `written` is the number of bytes in all outputs of the job, 0 if it is not known.
        """
        await asyncio.to_thread(self._witness.write, Reached(self._number, self._checkpoint, written))

    def close(self) -> None:
        """Release the witness."""
        self._witness.close()

    def _need_newest(self, checkpoint: Path, written: int | None) -> None:
        known = self._witness.known
        if self._witness.is_held_elsewhere:
            place = f", with {known.checkpoint}" if known is not None else ""
            raise BusyError(
                f"{checkpoint}: another run of this job is in progress{place}",
                "This checkpoint is a copy. Wait for that run, or stop it, and continue there.",
            )
        if known is None or known.generation <= self._number:
            return
        if written is None:
            raise _older(checkpoint, known, self._number)
        if written < known.length:
            raise _incomplete(checkpoint, known, written)
        self._number = known.generation


def _older(checkpoint: Path, known: Reached, number: int) -> OtherJobError:
    return OtherJobError(
        f"{checkpoint}: this is an older copy of the job's checkpoint: it has generation {number}, and the job has"
        f" reached generation {known.generation} with {known.checkpoint}. Nothing was sent, and nothing was changed",
        "Rows would be started twice. Continue with the newest checkpoint, or put it back, with its -wal file if there"
        " is one. If it is lost, batcher recover, with MANIFEST and the options of the job, rebuilds it from the newest"
        " output. If you are sure that no row was started after this copy was made, batcher forget CHECKPOINT allows"
        " its use.",
    )


def _incomplete(checkpoint: Path, known: Reached, written: int) -> OtherJobError:
    return OtherJobError(
        f"{checkpoint}: the output is an older copy too: it has {written:,} bytes, and the job has written"
        f" {known.length:,}. Nothing was changed",
        "Put the newest output back, or name each output of the job with --output. If a part of the output was moved"
        " away, batcher forget CHECKPOINT removes this check.",
    )
