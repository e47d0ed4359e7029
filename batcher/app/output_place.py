"""The place of an output: where it is, under which name the checkpoint knows it, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from batcher.edges.checkpoint.facts import LENGTH, OUTPUT
from batcher.edges.checkpoint.places import is_same, kept

Facts = Mapping[str, str | int]


class Place(NamedTuple):
    """An output: its path, its name in the checkpoint, and how many of its bytes the checkpoint knows (None: new)."""

    path: Path
    name: str
    known: int | None


def given_or_last(path: Path | None, facts: Facts, folder: Path) -> Place | None:
    """Find an output among the facts. Without a path give that of the last run."""
    if path is None:
        if OUTPUT not in facts:
            return None
        path = folder / str(facts[OUTPUT])
    return place_of(path, facts, folder)


def place_of(path: Path, facts: Facts, folder: Path) -> Place:
    """Find an output among the facts, by its path or as the same file."""
    name = kept(path, folder)
    if LENGTH + name not in facts:
        known = (fact.removeprefix(LENGTH) for fact in facts if fact.startswith(LENGTH))
        name = next((other for other in known if is_same(folder / other, path)), name)
    length = facts.get(LENGTH + name)
    return Place(path, name, None if length is None else int(length))
