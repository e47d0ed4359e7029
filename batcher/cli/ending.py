"""What a command does last, after its messages and with its exit code known: the command of --on-end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batcher.options.declaring import Options


class Ending:
    """The verb that is run, and its options as far as they are known."""

    def __init__(self) -> None:
        self._verb = ""
        self._options: Options | None = None

    def of(self, verb: str, options: Options) -> None:
        """Note what is run. Again when more is known about the options."""
        self._verb, self._options = verb, options

    def run(self, code: int) -> None:
        """Run the user's command, if one was given for the end of this verb."""
        options = self._options
        if not getattr(options, "on_end", None) or getattr(options, "dry_run", False):
            return
        from batcher.app.at_end import run_at_end
        from batcher.app.world import World
        from batcher.options.at_end import AtEnd

        assert isinstance(options, AtEnd)  # noqa: S101 - only such options have the attribute
        run_at_end(self._verb, options, code, World())
