"""Makes rows and bad rows from entries: checked, numbered, with their identity.

The one place that knows what a row needs, whatever the format of the manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from batcher.model import BadRow, Json, Row
from batcher.rules.rows.identity import are_plain, bad_key, bucket_fault, canonical, content_key, object_fault
from batcher.rules.rows.plain_rows import PlainRows, is_single

_MOST_NAMES = 1000
"""The most names that are noted. Keys of JSON Lines may be data, and without end."""
_SHOWN = 20
_WITHOUT_NAME = "a column without a name"


class Rows:
    """Makes the rows of one reading of a manifest, in order, and numbers them.

    `bucket` is used for rows without one. `static_inputs` are the inputs of every row; a row's own inputs override
    them. `count` is the number of rows before, `first_unnamed` the number of the first row that names no bucket and
    gets the default one.
    """

    def __init__(self, bucket: str | None, static_inputs: Mapping[str, Json], count: int) -> None:
        self._bucket = bucket or ""
        self._static = static_inputs
        self._static_bytes = canonical(static_inputs)
        self._sound_bucket = ""
        """The last valid bucket: most manifests repeat it."""
        self.count = count
        self.first_unnamed: int | None = None

    def row(self, line: int, bucket: str, object_: str, inputs: Mapping[str, Json] | None = None) -> Row:
        """Make the next row, which begins on this line. Raises ValueError if something is wrong with it."""
        if not bucket:
            bucket = self._bucket
            if bucket and self.first_unnamed is None:
                self.first_unnamed = self.count + 1
        if bucket != self._sound_bucket or not bucket:
            self._check_bucket(bucket)
        fault = object_fault(object_)
        if fault is not None:
            raise ValueError(f"object: {fault}")
        written = self.written(inputs)
        key = content_key(bucket, object_, written)
        self.count += 1
        return Row(self.count, line, bucket, object_, written, key)

    def written(self, inputs: Mapping[str, Json] | None) -> bytes:
        """Return the canonical inputs of a row that has these inputs of its own. Raises ValueError."""
        return canonical({**self._static, **inputs}) if inputs else self._static_bytes

    def plain(
        self, line: int, buckets: Sequence[str] | None, objects: Sequence[str], inputs: Sequence[bytes] | None
    ) -> PlainRows | None:
        """Make the next rows, one on each line from this one on. None if not all are plain: then nothing is counted.

        `buckets` is None for rows that name none, and `inputs` for rows without inputs of their own; otherwise these
        are what `written` returned.
        """
        named = {""} if buckets is None else {buckets[0]} if is_single(buckets) else set(buckets)
        names = {each or self._bucket for each in named}
        if not are_plain(objects) or "" in names or any(map(bucket_fault, names - {self._sound_bucket})):
            return None
        count = len(objects)
        if "" in named and self.first_unnamed is None:
            self.first_unnamed = self.count + 1 + (0 if buckets is None else buckets.index(""))
        if buckets is None or len(names) == 1:
            buckets = [*names] * count
        elif "" in named:
            buckets = [each or self._bucket for each in buckets]
        self._sound_bucket = buckets[-1]
        written = [self._static_bytes] * count if inputs is None else inputs
        made = PlainRows(self.count + 1, line, buckets, objects, written)
        self.count += count
        return made

    def bad(self, line: int, bucket: str, object_: str, fault: object, text: str) -> BadRow:
        """Make a bad row of the next entry, whose `text` begins on this line."""
        text = text.rstrip("\r\n")
        last = line + text.count("\n")
        where = f"line {line}" if last == line else f"lines {line} to {last}"
        self.count += 1
        bucket = bucket or (self._bucket if object_ else "")
        return BadRow(self.count, line, _safe(bucket), _safe(object_), f"{where}: {fault}", bad_key(text))

    def _check_bucket(self, bucket: str) -> None:
        if not bucket:
            raise ValueError("bucket: the row has none, and no --bucket is given")
        fault = bucket_fault(bucket)
        if fault is not None:
            raise ValueError(f"bucket: {fault}")
        self._sound_bucket = bucket


class Ignored:
    """The names in a manifest that are not used, in order of appearance, up to 1,000 of them.

    `accepted` are those that the user has declared to be no inputs. They are not noted.
    """

    def __init__(self, accepted: Collection[str] = ()) -> None:
        self._accepted = accepted
        self._names: dict[str, None] = {}
        self._told = 0

    def add(self, name: str) -> None:
        """Note a name, if there is room for it."""
        if len(self._names) < _MOST_NAMES and name not in self._accepted:
            self._names[name] = None

    def __len__(self) -> int:
        return len(self._names)

    @property
    def names(self) -> Sequence[str]:
        """The names; that of a column without a name is empty."""
        return list(self._names)

    def told(self, manifest: str) -> list[str]:
        """Return one message about what is ignored, and leave it out of `sentences` from now on."""
        sentences = self.sentences(manifest)
        self._told = len(self._names)
        return sentences

    def sentences(self, manifest: str) -> list[str]:
        """Return one message about what is ignored; an empty list if no others are than before."""
        names = [name or _WITHOUT_NAME for name in [*self._names][self._told :]]
        more = " and more" if len(names) > _SHOWN else ""
        return [f"{manifest}: ignored: {', '.join(names[:_SHOWN])}{more}"] if names else []


def _safe(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
