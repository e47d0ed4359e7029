"""Finds the files of an OBS inventory and their columns, by its manifest.json or by a header.

https://support.huaweicloud.com/intl/en-us/usermanual-obs/obs_03_0084.html. A file that was copied only in part is
detected by its size, before anything is read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from batcher.errors import ManifestError
from batcher.model import Json
from batcher.rules.text import counted

MANIFEST = "manifest.json"

_AS_DOCUMENTED = ("Bucket", "Key")
_FIRST = ("bucket", "key")
_COMMA_AT_THE_END = re.compile(r",(?=\s*[}\]])")
_ARRAY_OF_OBJECTS = re.compile(r"\s*\[\s*\{")
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")
"""A name that is absolute, or leads up, on any system."""
_ADVICE = "Give the manifest.json that OBS wrote beside the files of the inventory."


class Files(NamedTuple):
    """The files of an inventory (None is standard input), and the columns of the files that have no header."""

    paths: tuple[Path | None, ...]
    schema: tuple[str, ...]


def files_of(path: Path | None) -> Files:
    """Find the files of an inventory, given its manifest.json, or one of its files with the manifest.json nearby.

    Raises ManifestError if the manifest.json is invalid, or a file is missing or incomplete.
    """
    if path is None or path.suffix.lower() != ".json":
        return Files((path,), () if path is None else _schema_nearby(path))
    document = _read(path)
    schema = _schema(document)
    listed = _listed(document)
    if not listed or not schema:
        raise ManifestError(f"{path}: lists no files, or has no column names", _ADVICE)
    if len(listed) < len(list(_files(document))):
        raise ManifestError(f"{path}: an entry of files names no file", _ADVICE)
    form = document.get("fileFormat", "CSV")
    if str(form).upper() != "CSV":
        raise ManifestError(f"{path}: unsupported inventory format: {form}", "Create an inventory in the format CSV.")
    located = [_located(path, str(each["key"]), each.get("size")) for each in listed]
    twice = next((each for each in located if each is not None and located.count(each) > 1), None)
    if twice is not None:
        raise ManifestError(
            f"{path}: two of its files would be read from {twice}", "Copy each file under its whole name."
        )
    return Files(tuple(filter(None, located)), schema)


def header_of(line: str) -> tuple[str, ...] | None:
    """Return the column names if the first line of a file is a header, else None."""
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    return tuple(cells) if tuple(cell.lower() for cell in cells[:2]) == _FIRST else None


def is_inventory(path: Path, head: str) -> bool:
    """Return whether a CSV file is part of an inventory, judged by its first line or a manifest.json that lists it."""
    columns = header_of(head.partition("\n")[0].rstrip("\r"))
    if columns is not None:
        # In lower case it may be a user's own table, whose names are not encoded.
        return columns[:2] == _AS_DOCUMENTED and "object" not in columns
    return _schema_nearby(path) != ()


def is_manifest(path: Path, head: str) -> bool:
    """Return whether a JSON file is the manifest.json of an inventory, judged by its name, or by its first bytes."""
    if path.name == MANIFEST:
        return _ARRAY_OF_OBJECTS.match(head) is None
    return head.lstrip().startswith("{") and '"fileSchema"' in head


def _schema_nearby(path: Path) -> tuple[str, ...]:
    """Return the columns from a manifest.json that lists the file, beside it or one folder up; () if there is none."""
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
        raise ManifestError(f"{path}: not a JSON object", _ADVICE)
    return document


def _read_leniently(text: str) -> Json:
    """Parse JSON with trailing commas, as in the sample in the documentation."""
    try:
        return json.loads(_COMMA_AT_THE_END.sub("", text))
    except (ValueError, RecursionError):
        return None


def _files(document: Mapping[str, Json]) -> Sequence[Json]:
    files = document.get("files")
    return files if isinstance(files, list) else []


def _listed(document: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    return [
        each for each in _files(document) if isinstance(each, dict) and isinstance(each.get("key"), str) and each["key"]
    ]


def _schema(document: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(name.strip() for name in str(document.get("fileSchema") or "").split(",") if name.strip())


def _located(manifest: Path, key: str, size: Json) -> Path | None:
    """Find a copied file by its object name: in its folder, beside the manifest.json, or under the whole name.

    Return None for an empty file. Raises ManifestError if it is missing, incomplete, or outside the folder.
    """
    if _OUTSIDE.search(key):
        raise ManifestError(f"{manifest}: the listed file {key} is not in its folder", _ADVICE)
    if isinstance(size, bool) or not isinstance(size, int):
        missing = f"{manifest}: lists no size of {key}, so that an incomplete copy would not be noticed"
        raise ManifestError(missing, _ADVICE)
    name = key.rpartition("/")[2]
    candidates = [manifest.parent / "files" / name, manifest.parent / name, manifest.parent / key]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        if not size:
            return None
        raise ManifestError(
            f"{manifest}: the listed file {key} is missing", f"Copy it to {candidates[0]}, or beside the manifest.json."
        )
    there = path.stat().st_size
    if size != there:
        raise ManifestError(
            f"{path}: incomplete: it has {counted(there, 'byte')}, but {manifest.name} lists {size:,}",
            "Copy the file again.",
        )
    return path if size else None
