"""The columns of a job's manifest: judged before the first row is sent, and those that are not used, listed once.

Keys of JSON Lines are columns too. They come with the rows, so they are judged with each block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from batcher.edges.manifest import AnyManifest
from batcher.errors import ManifestError
from batcher.options.groups import Manifest
from batcher.rules.rows.headings import judged, refusal


class Columns:
    """The columns of one open manifest. `warn` takes a sentence for people."""

    def __init__(self, options: Manifest, manifest: AnyManifest, warn: Callable[[str], None]) -> None:
        self._name = str(options.manifest or "standard input")
        self._accepted = options.ignore_columns
        self._manifest = manifest
        self._warn = warn
        self._judged = 0
        self._has_told = False

    def of_header(self, parameters: Collection[str] | None) -> ManifestError | None:
        """Judge the header of a table before it is read. Return the error that stops the job, None if there is none.

        `parameters` are the names that the workflow declares, None if the service does not describe it.
        """
        headings = [name for name in self._manifest.header if name not in self._accepted]
        return refusal(judged(headings, parameters, is_table=True), self._name)

    @property
    def has_news(self) -> bool:
        """Whether there are unused columns that were not judged."""
        return not self._has_told or len(self._manifest.ignored) > self._judged

    def of_rows(self, parameters: Collection[str] | None) -> ManifestError | None:
        """Judge the columns that were read and not used, as `of_header`. List them, the first time."""
        ignored = self._manifest.ignored
        names, is_table = ignored.names, bool(self._manifest.header)
        error = refusal(judged(names[self._judged :], parameters, is_table=is_table), self._name)
        self._judged = len(names)
        if error is None and self._has_told:
            # Later ones are listed at the end.
            return None
        self._has_told = True
        listed = ignored.told(self._name)
        for sentence in listed if error is None else ():
            self._warn(sentence)
        return error
