"""The generations of a job: counted in the checkpoint, and in a witness outside the job's folder.

A generation is committed first and witnessed afterwards. A crash in between leaves a witness that knows less than the
checkpoint, never more, so that the newest checkpoint of a job is always accepted. Where no witness is known, it is not
proven that a checkpoint is the newest, and a run asks the execution list.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from batcher.edges.checkpoint.facts import COMMITTED_AT, GENERATION, JOB_ID, UNPROVEN_SINCE
from batcher.edges.checkpoint.lock import locked
from batcher.edges.witness import Reached, Witness, new_job_id, witness_path
from batcher.errors import BusyError, OtherJobError
from batcher.model import Unsettled
from batcher.rules.doubts.control import Control, last_commit

INTERVAL = 30.0
"""Seconds after which a run begins a new generation."""


class Unproven(NamedTuple):
    """A checkpoint that is not proven to be the newest of its job."""

    since: int
    """It may lack what was started since then, in POSIX seconds by the service's clock; 0 is any time."""
    reason: str


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
        self._path = witness_path(self._id, environment)
        self._witness = Witness(self._path, locked)
        known = self._witness.known
        self._is_witnessed = known is not None and known.generation >= self._number
        self.unproven: Unproven | None = None
        """Since when the checkpoint may lack starts, None if it is the newest of its job or was not compared."""
        try:
            self._need_newest(checkpoint, written)
        except BaseException:
            self.close()
            raise

    @property
    def job_id(self) -> str:
        """The random name of the job."""
        return self._id

    @property
    def is_due(self) -> bool:
        """Whether the next commit should begin a new generation."""
        return self._steady() - self._begun >= INTERVAL

    def following(self, at: float = 0.0) -> dict[str, str | int]:
        """Begin a new generation, and return the facts to commit.

        `at` is a time before the commit, in POSIX seconds by the service's clock, 0 if none is known.
        """
        self._begun = self._steady()
        self._number += 1
        facts: dict[str, str | int] = {JOB_ID: self._id, GENERATION: self._number}
        if at > 0:
            facts[COMMITTED_AT] = int(at)
        if self.unproven is not None:
            # A run that meets the witness of this one has to ask as well.
            facts[UNPROVEN_SINCE] = self.unproven.since
        return facts

    def compare(
        self, facts: Mapping[str, str | int], left: Iterable[Unsettled], controls: Iterable[Control], *, is_empty: bool
    ) -> None:
        """Find out whether the checkpoint is proven to be the newest of its job. One that has just been made is.

        `left` are its unsettled rows, and `is_empty` says that it never had any row.
        """
        kept = facts.get(UNPROVEN_SINCE, "")
        since = last_commit(float(facts.get(COMMITTED_AT, 0)), left, controls)
        if kept != "":
            self.unproven = Unproven(int(kept), self._why())
        elif not self._is_witnessed and not (is_empty and since is None):
            self.unproven = Unproven(since or 0, self._why())

    def proven(self) -> dict[str, str | int]:
        """Declare the checkpoint the newest of its job, and return the facts to commit."""
        self.unproven = None
        return {UNPROVEN_SINCE: ""}

    def _why(self) -> str:
        if self._is_witnessed:
            return "this checkpoint is not proven to be the newest of its job"
        if self._witness.known is not None:
            return "the witness of this job on this machine is older than this checkpoint"
        if self._path is None:
            return "there is no place for a witness of this job (HOME is not set)"
        return f"this machine has no witness of this job in {self._path.parent}"

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
