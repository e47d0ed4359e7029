"""The manifest: the list of objects that a job is given, read once, in order, in bounded memory.

`formats` tells which format it has and `opening` opens it. `source` turns a file or a pipe into text, `table` (CSV,
TSV), `lines` (JSON Lines, plain keys) and `obsutil` turn text into entries, `rows` turns an entry into a row or a bad
row, and `manifest` is what the job sees of them. `inventory` and `parquet` are such manifests of their own kind.
`written` gives entries as they stand in the file.
"""

from batcher.edges.manifest.formats import format_of
from batcher.edges.manifest.manifest import Manifest
from batcher.edges.manifest.opening import AnyManifest, open_manifest
from batcher.edges.manifest.skipped import Choice
from batcher.edges.manifest.written import WRITTEN_FORMATS, Written, written_entries

__all__ = [
    "WRITTEN_FORMATS",
    "AnyManifest",
    "Choice",
    "Manifest",
    "Written",
    "format_of",
    "open_manifest",
    "written_entries",
]
