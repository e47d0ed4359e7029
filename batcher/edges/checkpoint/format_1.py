"""Format 1 of a checkpoint: converts its facts to the current format. Nothing else has changed since.

Format 1 stored absolute paths, and only a part of a job's command. It does not show whether the job's files have been
moved or copied. A new place is assumed only if the file is missing at the old place, or equal at both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from batcher.edges.checkpoint.facts import BUCKET_USED, CARD, LENGTH, LIMIT, OUTPUT, PREFIX
from batcher.edges.checkpoint.places import folder_of, is_same, is_there, kept
from batcher.rules.job.card import STANDARD_INPUT, Card, encoded

VERSION = 1

Facts = Mapping[str, str | int]

_CHUNK = 1 << 20


def renewed_facts(facts: Facts, checkpoint: Path) -> dict[str, str | int]:
    """Convert the facts of a checkpoint of format 1 to the current format. The file is not changed.

    The stored bucket counts as one that rows rely on. Whether the manifest was read to its end is not known.
    """
    folder = folder_of(checkpoint)
    manifest = _manifest(facts, checkpoint, folder)
    lengths = {name.removeprefix(LENGTH): int(length) for name, length in facts.items() if name.startswith(LENGTH)}
    places = {path: _output(path, length, _moved(path, facts, folder), folder) for path, length in lengths.items()}
    renewed: dict[str, str | int] = {name: facts[name] for name in (LIMIT, PREFIX) if name in facts}
    renewed |= {LENGTH + places[path]: length for path, length in lengths.items()}
    output = str(facts.get(OUTPUT, ""))
    if output:
        renewed[OUTPUT] = places.get(output, output)
    cell_types = facts.get("parameters")
    card = Card(
        endpoint=str(facts.get("endpoint", "")),
        workflow=str(facts.get("workflow", "")),
        static_inputs=str(facts.get("static_inputs", "")),
        bucket=str(facts.get("bucket", "")),
        manifest=manifest,
        output=str(renewed.get(OUTPUT, "")),
        cell_types=None if cell_types is None else orjson.loads(str(cell_types)),
    )
    return renewed | {CARD: encoded(card), BUCKET_USED: int(bool(card.bucket))}


def _manifest(facts: Facts, checkpoint: Path, folder: Path) -> str:
    """Return the job's own manifest. Format 1 stores the last one that was run, which may be a side manifest."""
    last = str(facts.get("manifest", ""))
    if last in {"", STANDARD_INPUT}:
        return last
    named_after = folder / checkpoint.resolve().name.removesuffix(".checkpoint")
    if named_after.is_file() and not is_same(named_after, checkpoint):
        return kept(named_after, folder)
    moved = _moved(last, facts, folder)
    return kept(moved if is_there(moved) and not is_there(Path(last)) else Path(last), folder)


def _moved(path: str, facts: Facts, folder: Path) -> Path:
    """Return the path of a file if it was moved together with the checkpoint and the manifest."""
    former = Path(str(facts.get("manifest", ""))).parent
    found = Path(path)
    return folder / (found.relative_to(former) if found.is_relative_to(former) else found.name)


def _output(path: str, length: int, moved: Path, folder: Path) -> str:
    """Return the output's path: the new one if the old file is missing, or if the new file is a copy of it."""
    former = Path(path)
    is_long_enough = is_there(moved) and moved.stat().st_size >= length
    if is_long_enough and (not is_there(former) or _begin_alike(former, moved, length)):
        return kept(moved, folder)
    return kept(former, folder)


def _begin_alike(path: Path, other: Path, length: int) -> bool:
    with path.open("rb") as first, other.open("rb") as second:
        while length > 0:
            block = first.read(min(_CHUNK, length))
            if not block or second.read(len(block)) != block:
                return False
            length -= len(block)
    return True
