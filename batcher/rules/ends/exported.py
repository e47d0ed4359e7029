"""What an export shows of a row: its final state, and how its execution ended if a watch has followed it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from batcher.model import Json
from batcher.rules.ends.followed import Known
from batcher.rules.records.codec import CODECS, COLUMNS, Codec, Fields, cells, codecs_of

OF_THE_END = ("end", "ended_at", "redrives")
"""The columns that are added if a watch has followed the job. They are null for a row without an execution."""


class Form(NamedTuple):
    """The columns of an export, with what writes them in each format."""

    columns: Sequence[str]
    cells: Callable[[Fields], list[Json]]
    codecs: Mapping[str, Codec[Any]]


def with_end(values: Fields, known: Known | None) -> Fields:
    """Add how the execution of a row ended. `end` is null while it runs, as far as the watch has seen."""
    if known is None:
        return {**values, **dict.fromkeys(OF_THE_END)}
    return {**values, "end": known.end, "ended_at": (known.end and known.ended_at) or None, "redrives": known.redrives}


def _cells(values: Fields) -> list[Json]:
    return [*cells(values), *(values[name] for name in OF_THE_END)]


_COLUMNS = (*COLUMNS, *OF_THE_END)

PLAIN = Form(COLUMNS, cells, CODECS)
WITH_ENDS = Form(
    _COLUMNS, _cells, codecs_of(_COLUMNS, orjson.loads, _cells, lambda texts: dict(zip(_COLUMNS, texts, strict=True)))
)
