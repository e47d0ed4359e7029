"""The option of the verbs that run a command of the user at their end.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from typing import Annotated

from batcher.options.declaring import Option, Options


class AtEnd(Options):
    """What to run at the end."""

    group = "General"

    on_end: Annotated[
        str | None,
        Option(
            "Run this shell command at the end, with the exit code and the counts in its environment.",
            metavar="COMMAND",
            is_spoken=True,
        ),
    ] = None
