"""The entries of a manifest as they stand in its file, whatever they mean: to write some of them once more.

An entry begins on the line that its row bears, so that both readings of the file can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from batcher.edges.manifest.lines import lines_of
from batcher.edges.manifest.source import Source
from batcher.edges.manifest.table import DELIMITERS, entries, header_of


class Written(NamedTuple):
    """One entry: the line it begins on, and its text. `cells` are those of a table, None where it has none.

    A plain key is the only cell of its entry.
    """

    line: int
    text: str
    cells: list[str] | None = None


def written_entries(path: Path, format_: str) -> Iterator[Written]:
    """Give the entries of a manifest in their order, a table's without its header. Raises ManifestError."""
    with closing(Source(path, lone_cr=format_ in DELIMITERS)) as source:
        texts = source.texts()
        if format_ not in DELIMITERS:
            for line, key in lines_of(texts):
                if key:
                    yield Written(line, key, [key] if format_ == "txt" else None)
            return
        found = entries(texts, DELIMITERS[format_], source.name)
        header_of(found, DELIMITERS[format_], source.name)
        for entry in found:
            if entry is not None:
                line, cells, text = entry
                yield Written(line, text, cells if isinstance(cells, list) else None)
