"""Manifests with a header: CSV and TSV. What the columns mean, and how a record becomes a row.

CSV is RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) as Python's `csv` reads it strictly; CR, LF and CRLF end a
record, and stand for themselves in quotes.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from batcher.edges.manifest.rows import Ignored, Rows
from batcher.errors import ManifestError
from batcher.model import BadRow, Json, Parameter, Row
from batcher.rules.rows.values import json_object, require_exact, to_type

MOST_RECORD = 1024 * 1024
"""The longest record that spans lines, in characters: what is kept while its end has not come."""

MOST_SWALLOWED = 10
"""So many lines an unreadable record may have: more are rows behind a quote that nobody meant."""

DELIMITERS = {"csv": ",", "tsv": "\t"}
"""By the manifest's format."""

_RESERVED = frozenset({"bucket", "object", "inputs"})
_PREFIX = "inputs."

_DELIMITER_ADVICE = {
    ";": "It looks separated by semicolons: save it with commas, or with tabs and --format tsv.",
    "\t": "It looks separated by tabs: give --format tsv.",
    ",": "It looks separated by commas: give --format csv.",
}
_HEADER_ADVICE = "Its first line must name the columns: object, and as needed bucket, inputs and inputs.NAME."


Entry: TypeAlias = tuple[int, list[str] | str, str]
"""One record: the line it begins on, its cells (the fault where it is no record) and its text."""


class Input(NamedTuple):
    """A column that is an input."""

    at: int
    heading: str
    name: str
    type: str


class Columns(NamedTuple):
    """What the columns are, by their index; None for one that is not there."""

    width: int
    bucket: int | None
    key: int
    inputs: int | None
    named: Sequence[Input]


class TableReader:
    """Cuts text into records. `rest`, which begins on `line`, is what may be continued by the next text."""

    def __init__(self, delimiter: str, name: str, line: int) -> None:
        """Begin on this line; `name` is the manifest's."""
        self.line = line
        self._rest = ""
        self._delimiter = delimiter
        self._name = name
        self._exhausted = False
        self._ahead: list[Entry] = []
        """What was read together with the header."""

    @property
    def is_whole(self) -> bool:
        """Whether no record is waiting for its end."""
        return not self._rest

    def header(self, texts: Iterator[str]) -> list[str]:
        """Read the header from the beginning. Raises ManifestError if it is none that we can use."""
        entries = next(filter(None, self._entries(texts)), None)
        if entries is None:
            raise ManifestError(f"{self._name}: has no header", _HEADER_ADVICE)
        self._ahead = entries[1:]
        return _header_of(entries[0], self._delimiter, self._name)

    def rows(self, texts: Iterable[str], columns: Columns, rows: Rows) -> Iterator[list[Row | BadRow]]:
        """Give the rows of each text; what is no record is a bad row, and reading goes on after the lines it took.

        Raises ManifestError for a record without end.
        """
        make = _row_of(columns, rows)
        for entries in self.entries(texts):
            yield [make(entry) for entry in entries]

    def entries(self, texts: Iterable[str]) -> Iterator[list[Entry]]:
        """Give the records of each text behind the header. Raises ManifestError for a record without end."""
        return chain([self._ahead], self._entries(texts))

    def _entries(self, texts: Iterable[str]) -> Iterator[list[Entry]]:
        for text in texts:
            yield list(self._read(self._rest + text))
            if len(self._rest) > MOST_RECORD:
                raise ManifestError(
                    f"{self._name}, line {self.line}: a record of more than {MOST_RECORD >> 20} MiB begins here",
                    "Check the quotes on this line.",
                )
        if self._rest:
            yield [
                self._unreadable(self.line, "a quote is opened and never closed", self._rest.splitlines(keepends=True))
            ]

    def _read(self, text: str) -> Iterator[Entry]:
        lines = list(io.StringIO(text, newline=""))
        reader = csv.reader(self._feed(lines), delimiter=self._delimiter, strict=True)
        done = 0
        self._exhausted = False
        while not self._exhausted:
            try:
                for cells in reader:
                    begin, done = done, reader.line_num
                    if cells:
                        text = lines[begin] if done == begin + 1 else "".join(lines[begin:done])
                        yield self.line + begin, cells, text
            except csv.Error as error:
                # A reader that asked for more is within quotes: whether that is an error, the next text tells.
                if not self._exhausted:
                    begin, done = done, reader.line_num
                    yield self._unreadable(self.line + begin, f"not CSV: {error}", lines[begin:done])
        self._rest = "".join(lines[done:])
        self.line += done

    def _unreadable(self, line: int, fault: str, lines: Sequence[str]) -> Entry:
        """Give a record that is none. Raises ManifestError where it takes in so many lines that these must be rows."""
        if len(lines) > MOST_SWALLOWED:
            raise ManifestError(
                f"{self._name}, line {line}: a quote that is opened here takes in {len(lines):,} lines",
                "Close the quote, or double it if it is part of the cell. What came before may have been started; the"
                " same command goes on.",
            )
        return line, fault, "".join(lines)

    def _feed(self, lines: Sequence[str]) -> Iterator[str]:
        yield from lines
        self._exhausted = True


def _header_of(entry: Entry, delimiter: str, name: str) -> list[str]:
    line, cells, text = entry
    if isinstance(cells, str):
        raise ManifestError(f"{name}, line {line}: the header is unreadable: {cells}", _HEADER_ADVICE)
    if "object" not in cells:
        advice = next(
            (advice for mark, advice in _DELIMITER_ADVICE.items() if mark in text and mark != delimiter), _HEADER_ADVICE
        )
        found = ", ".join(map(repr, cells))
        raise ManifestError(f'{name}, line {line}: no column is named "object"; the columns are {found}', advice)
    for heading, count in Counter(filter(None, cells)).items():
        if count > 1:
            column = len(cells) - cells[::-1].index(heading)
            raise ManifestError(
                f'{name}, line {line}, column {column}: there is another column "{heading}"', "Leave one of them out."
            )
    return cells


def columns_of(header: Sequence[str], parameters: Mapping[str, Parameter], ignored: Ignored, name: str) -> Columns:
    """Decide what each column is. Raises ManifestError where two are the same input."""
    where = {heading: index for index, heading in enumerate(header)}
    named: list[Input] = []
    for index, heading in enumerate(header):
        if heading in _RESERVED:
            continue
        input_ = heading.removeprefix(_PREFIX)
        if input_ and (input_ != heading or heading in parameters):
            type_ = parameters[input_].type if input_ in parameters else "string"
            named.append(Input(index, heading, input_, type_))
        else:
            ignored.add(heading or "a column without a name")
    for input_, count in Counter(column.name for column in named).items():
        if count > 1:
            raise ManifestError(
                f'{name}: the columns "{input_}" and "{_PREFIX}{input_}" are the same input', "Leave one of them out."
            )
    return Columns(len(header), where.get("bucket"), where["object"], where.get("inputs"), named)


def _row_of(columns: Columns, rows: Rows) -> Callable[[Entry], Row | BadRow]:
    """Give the function that makes a row of a record."""
    width, bucket_at, key_at = columns.width, columns.bucket, columns.key
    has_inputs = bool(columns.named) or columns.inputs is not None

    def make(entry: Entry) -> Row | BadRow:
        line, cells, text = entry
        if isinstance(cells, str):
            return rows.bad(line, "", "", cells, text)
        count = len(cells)
        if count < width:
            cells += [""] * (width - count)
        bucket = "" if bucket_at is None else cells[bucket_at]
        object_ = cells[key_at]
        if count > width:
            fault = f"{count} cells under {width} columns; a cell that holds the delimiter needs quotes"
            return rows.bad(line, bucket, object_, fault, text)
        try:
            return rows.row(line, bucket, object_, _inputs(cells, columns) if has_inputs else None)
        except ValueError as fault:
            return rows.bad(line, bucket, object_, fault, text)

    return make


def _inputs(cells: Sequence[str], columns: Columns) -> dict[str, Json]:
    """Read a record's inputs: a column of one input comes before the column of all. Raises ValueError."""
    inputs: dict[str, Json] = {}
    heading = "inputs"
    try:
        if columns.inputs is not None and cells[columns.inputs]:
            inputs = json_object(cells[columns.inputs])
            require_exact(inputs.values(), cells[columns.inputs])
        for at, heading, name, type_ in columns.named:  # noqa: B007 - told if it fails
            if cells[at]:
                inputs[name] = to_type(cells[at], type_)
    except ValueError as fault:
        raise ValueError(f"{heading}: {fault}") from None
    return inputs
