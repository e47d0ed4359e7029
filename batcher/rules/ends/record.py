"""The end record: one line of the file of ends, about one execution, in JSON Lines or CSV. Pure."""

from __future__ import annotations

from msgspec import Struct, json, structs

from batcher.model import Json
from batcher.rules.records.codec import Fields, codecs_of


class EndRecord(Struct, frozen=True, gc=False):
    """How one execution ended.

    `bucket` and `object` are None if the records of the job's starts are lost. `end` is an `End`, or a word of the
    service that is not known. `started_at` and `ended_at` are the texts of the service. `duration_s` is in seconds.
    `redrives` is how often the execution was restored before this end: its record with the most is the valid one.
    """

    row: int
    bucket: str | None
    object: str | None
    execution_name: str
    end: str
    started_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    redrives: int = 0


COLUMNS = EndRecord.__struct_fields__
"""The columns of a CSV file of ends."""

_parse = json.Decoder(EndRecord).decode


def _cells(record: EndRecord | Fields) -> list[Json]:
    values = structs.asdict(record) if isinstance(record, EndRecord) else record
    return [values[name] for name in COLUMNS]


def _record(texts: list[str]) -> EndRecord:
    row, bucket, object_, name, end, *times, duration, redrives = texts
    if len(texts) != len(COLUMNS):
        raise ValueError("a line has another number of cells")
    started_at, ended_at = (each or None for each in times)
    return EndRecord(
        int(row),
        bucket or None,
        object_ or None,
        name,
        end,
        started_at,
        ended_at,
        float(duration) if duration else None,
        int(redrives),
    )


END_CODECS = codecs_of(COLUMNS, _parse, _cells, _record)
"""The codecs of end records by the name of the file's format."""
