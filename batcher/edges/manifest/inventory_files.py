"""Which files an inventory of OBS is made of, and what their columns are: what its manifest.json says, or a header.

https://support.huaweicloud.com/intl/en-us/usermanual-obs/obs_03_0084.html. A file that was copied only in part is
found by its size, before anything is read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from batcher.errors import ManifestError
from batcher.model import Json

MANIFEST = "manifest.json"

_AS_DOCUMENTED = ("Bucket", "Key")
_FIRST = ("bucket", "key")
_COMMA_AT_THE_END = re.compile(r",(?=\s*[}\]])")
_ADVICE = "Give the manifest.json that OBS has written beside the files of the inventory."


class Files(NamedTuple):
    """The files of an inventory, standard input where the path is None, and the columns of those without a header."""

    paths: tuple[Path | None, ...]
    schema: tuple[str, ...]


def files_of(path: Path | None) -> Files:
    """Find the files of an inventory by its manifest.json, or one of the files itself and its manifest.json nearby.

    Raises ManifestError where the manifest.json is none, or a file is missing or not whole.
    """
    if path is None or path.suffix.lower() != ".json":
        return Files((path,), () if path is None else _schema_nearby(path))
    document = _read(path)
    schema = _schema(document)
    listed = [(str(each["key"]), each.get("size")) for each in _listed(document)]
    if not listed or not schema:
        raise ManifestError(f"{path}: names no files, or not their columns", _ADVICE)
    form = document.get("fileFormat", "CSV")
    if str(form).upper() != "CSV":
        raise ManifestError(f"{path}: an inventory of the format {form} cannot be read", "Make one of the format CSV.")
    return Files(tuple(_located(path, key, size) for key, size in listed if size != 0), schema)


def header_of(line: str) -> tuple[str, ...] | None:
    """Give the columns that the first line of a file names, None where it is no header."""
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    return tuple(cells) if tuple(cell.lower() for cell in cells[:2]) == _FIRST else None


def is_inventory(path: Path, head: str) -> bool:
    """Tell by its beginning, or by a manifest.json that names it, whether a CSV file is part of an inventory."""
    columns = header_of(head.partition("\n")[0].rstrip("\r"))
    if columns is not None:
        # In lower case it may be somebody's own table, whose keys are not encoded.
        return columns[:2] == _AS_DOCUMENTED and "object" not in columns
    return _schema_nearby(path) != ()


def _schema_nearby(path: Path) -> tuple[str, ...]:
    """Look for the manifest.json that names a file, beside it or one folder up; no columns where there is none."""
    for folder in (path.parent, path.absolute().parent.parent):
        try:
            document = _read(folder / MANIFEST)
        except ManifestError:
            continue
        if any(str(each["key"]).rpartition("/")[2] == path.name for each in _listed(document)):
            return _schema(document)
    return ()


def _read(path: Path) -> Mapping[str, Json]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}", "Check the path of the manifest.") from None
    except UnicodeDecodeError:
        raise ManifestError(f"{path}: not UTF-8", _ADVICE) from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = _read_leniently(text)
    if not isinstance(document, dict):
        raise ManifestError(f"{path}: no JSON object", _ADVICE)
    return document


def _read_leniently(text: str) -> Json:
    """Read JSON in which a comma stands at the end of an array, as in the documentation's own sample."""
    try:
        return json.loads(_COMMA_AT_THE_END.sub("", text))
    except (ValueError, RecursionError):
        return None


def _listed(document: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    files = document.get("files")
    entries = files if isinstance(files, list) else []
    return [each for each in entries if isinstance(each, dict) and each.get("key")]


def _schema(document: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(name.strip() for name in str(document.get("fileSchema") or "").split(",") if name.strip())


def _located(manifest: Path, key: str, size: Json) -> Path:
    """Find a file by its key, as it was copied: with its folder, beside the manifest.json, or with the whole key."""
    name = key.rpartition("/")[2]
    candidates = [manifest.parent / "files" / name, manifest.parent / name, manifest.parent / key]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise ManifestError(
            f"{manifest}: its file {key} is not here", f"Copy it to {candidates[0]}, or beside the manifest.json."
        )
    there = path.stat().st_size
    if isinstance(size, int) and size != there:
        raise ManifestError(
            f"{path}: has {there:,} bytes, and {size:,} by {manifest.name}: it is not whole", "Copy it again."
        )
    return path
