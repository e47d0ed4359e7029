"""`batcher forget`: removes the witness of a job, so that an older copy of its checkpoint can be used."""

from __future__ import annotations

from batcher.errors import ExitCode
from batcher.options.verbs import ForgetOptions

OPTIONS = ForgetOptions

HELP = """Remove the witness of a job: the file outside the job's folder that stores how far the job has come.

\b
Examples:
  batcher forget objects.csv.checkpoint

A run refuses a checkpoint that is older than its witness, because it would start rows a second time. Use this command
only if you are sure that no row was started after the copy was made, or to remove what a finished job has left. The
witness is in $XDG_STATE_HOME/batcher, by default ~/.local/state/batcher. The checkpoint is not changed.
"""


def forget(options: ForgetOptions) -> ExitCode:
    """Remove the witness and say so."""
    from batcher.app.forget import forget as forget_job
    from batcher.app.run_folder import checkpoints_of
    from batcher.app.world import World

    for checkpoint in checkpoints_of(options.checkpoint):
        forget_job(checkpoint, World())
    return ExitCode.OK
