"""The manifest: the list of objects that a job is given, read once, in order, in bounded memory.

`source` turns a file or a pipe into text, `table` (CSV, TSV) and `lines` (JSON Lines, plain keys) turn text into
entries, `rows` turns an entry into a row or a bad row, and `manifest` is what the job sees of them. `written` gives
entries as they stand in the file.
"""

from batcher.edges.manifest.manifest import FORMATS, Manifest, format_of, open_manifest
from batcher.edges.manifest.written import Written, written_entries

__all__ = ["FORMATS", "Manifest", "Written", "format_of", "open_manifest", "written_entries"]
