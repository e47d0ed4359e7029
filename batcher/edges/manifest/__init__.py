"""The manifest: the list of objects for a job, read once, in order, in bounded memory.

`opening` has the table of formats and opens a manifest; `formats` finds the format. `source` turns a file or a pipe
into text. `table` (CSV, TSV), `lines` (JSON Lines, plain text), `json_array` and `obsutil` split text into entries, and
`strays` shows which of them are no rows. `plain` reads a whole piece of text by columns where all entries are plain.
`rows` turns an entry into a row or a bad row, and `manifest` is what the job uses. `inventory` and `parquet` are
manifests with their own readers. `given` is for the rows that a program passes. `written` yields entries as they are
written in the file, and `share` has the rows of one shard.
"""

from batcher.edges.manifest.formats import format_of, has_addresses
from batcher.edges.manifest.inventory_files import files_of
from batcher.edges.manifest.manifest import Manifest
from batcher.edges.manifest.opening import AnyManifest, is_text, open_manifest
from batcher.edges.manifest.share import Share, WholeManifest, share_of
from batcher.edges.manifest.skipped import Choice
from batcher.edges.manifest.written import WRITTEN_FORMATS, Written, written_entries

__all__ = [
    "WRITTEN_FORMATS",
    "AnyManifest",
    "Choice",
    "Manifest",
    "Share",
    "WholeManifest",
    "Written",
    "files_of",
    "format_of",
    "has_addresses",
    "is_text",
    "open_manifest",
    "share_of",
    "written_entries",
]
