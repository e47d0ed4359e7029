"""Opens a manifest of any format: text, an OBS inventory, or Parquet. All three are read in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from batcher.edges.manifest.inventory import Inventory, open_inventory
from batcher.edges.manifest.manifest import CHUNK, Manifest, open_text
from batcher.edges.manifest.parquet import ParquetManifest, open_parquet
from batcher.edges.manifest.skipped import Choice
from batcher.errors import UsageError

AnyManifest: TypeAlias = Manifest | Inventory | ParquetManifest

EVERYTHING = Choice()


def open_manifest(path: Path | None, format_: str, choice: Choice = EVERYTHING, *, chunk: int = CHUNK) -> AnyManifest:
    """Open a manifest, or standard input if `path` is None, and read its header if its format has one.

    `chunk` is the number of bytes of text to read at a time. For a table in a pipe this waits until the header has
    arrived. Raises ManifestError if the manifest cannot be read, is empty, or has no usable header, and UsageError if
    the format does not support the choice.
    """
    if choice.storage_classes and format_ != "inventory":
        raise UsageError(
            f"--storage-class: a manifest in the format {format_} has no storage classes",
            "Remove the option, or give the manifest.json of an inventory.",
        )
    if format_ == "inventory":
        return open_inventory(path, choice)
    if format_ == "parquet":
        return open_parquet(path, choice)
    return open_text(path, format_, choice, chunk)
