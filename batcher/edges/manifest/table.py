"""Manifests with a header: CSV and TSV. What the columns mean, and how a record becomes a row.

CSV is RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180), parsed in the strict mode of Python's `csv`. CR, LF and CRLF
end a record, except within quotes, where they are data.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, dropwhile
from typing import NamedTuple, TypeAlias

from batcher.edges.manifest.plain import table_columns
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.strays import Strays, is_preamble
from batcher.errors import ManifestError
from batcher.model import BadRow, Json, Parameter, Row
from batcher.rules.rows.address import MARK, located
from batcher.rules.rows.headings import OWN, PREFIX, misspelt_object
from batcher.rules.rows.plain_rows import Block, PlainRows
from batcher.rules.rows.values import json_object, require_exact, to_type
from batcher.rules.text import counted

MOST_RECORD = 1024 * 1024
"""The longest record that spans lines, in characters: the limit of what is buffered until a record ends."""

MOST_SWALLOWED = 10
"""The most lines that an unreadable record may have. More lines are rows after a stray quote."""

DELIMITERS = {"csv": ",", "tsv": "\t"}
"""The delimiter of each format."""


_DELIMITER_ADVICE = {
    ";": "It looks separated by semicolons: save it with commas, or with tabs and --format tsv.",
    "\t": "It looks separated by tabs: give --format tsv.",
    ",": "It looks separated by commas: give --format csv.",
}
_HEADER_ADVICE = "Its first line must name the columns: object, and as needed bucket, inputs and inputs.NAME."


Entry: TypeAlias = tuple[int, list[str] | str, str]
"""One record: the line it begins on, its cells (an error message if it is unreadable), and its text."""


class Input(NamedTuple):
    """A column that is an input."""

    at: int
    heading: str
    name: str
    type: str


class Columns(NamedTuple):
    """The index of each column; None for a column that is missing."""

    width: int
    bucket: int | None
    key: int
    inputs: int | None
    named: Sequence[Input]


class TableReader:
    """Splits text into records. `_rest` is an incomplete record, which begins on `line` and the next text continues."""

    def __init__(self, delimiter: str, name: str, line: int) -> None:
        """Start on this line. `name` is the name of the manifest for messages."""
        self.line = line
        self._rest = ""
        self._delimiter = delimiter
        self._name = name
        self._exhausted = False
        self._ahead: list[Entry] = []
        """Records that were read together with the header."""

    @property
    def is_whole(self) -> bool:
        """Whether no record is incomplete."""
        return not self._rest

    def header(self, texts: Iterator[str]) -> list[str]:
        """Read the header at the beginning. Raises ManifestError if it is missing or not usable."""
        separator = f"sep={self._delimiter}"
        for entries in self._entries(texts):
            named = list(dropwhile(lambda entry: is_preamble(entry[1], entry[2], separator), entries))
            if named:
                self._ahead = named[1:]
                return _header_of(named[0], self._delimiter, self._name)
        raise ManifestError(f"{self._name}: the manifest has no header", _HEADER_ADVICE)

    def rows(self, texts: Iterable[str], columns: Columns, rows: Rows, strays: Strays) -> Iterator[Block]:
        """Yield the rows of each text. An unreadable record becomes a bad row, and reading continues after its lines.

        Raises ManifestError for an endless record.
        """
        make = _row_of(columns, rows, strays)
        yield list(filter(None, map(make, self._ahead)))
        for text in texts:
            plain = None if self._rest else _plain_rows(text, self._delimiter, columns, self.line, rows, strays)
            if plain is None:
                yield list(filter(None, map(make, self._records(text))))
            else:
                self.line += len(plain)
                yield plain
        if self._rest:
            yield list(filter(None, map(make, self._unclosed())))

    def entries(self, texts: Iterable[str]) -> Iterator[list[Entry]]:
        """Yield the records of each text after the header. Raises ManifestError for an endless record."""
        return chain([self._ahead], self._entries(texts))

    def _entries(self, texts: Iterable[str]) -> Iterator[list[Entry]]:
        for text in texts:
            yield self._records(text)
        if self._rest:
            yield self._unclosed()

    def _records(self, text: str) -> list[Entry]:
        records = list(self._read(self._rest + text))
        if len(self._rest) > MOST_RECORD:
            raise ManifestError(
                f"{self._name}, line {self.line}: a record of more than {MOST_RECORD >> 20} MiB begins here",
                "Check the quotes on this line.",
            )
        return records

    def _unclosed(self) -> list[Entry]:
        lines = self._rest.splitlines(keepends=True)
        return [self._unreadable(self.line, "a quote is opened and never closed", lines)]

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
                # A reader that asks for more is within quotes: the next text decides whether that is an error.
                if not self._exhausted:
                    begin, done = done, reader.line_num
                    yield self._unreadable(self.line + begin, f"not CSV: {error}", lines[begin:done])
        self._rest = "".join(lines[done:])
        self.line += done

    def _unreadable(self, line: int, fault: str, lines: Sequence[str]) -> Entry:
        """Return an unreadable record. Raises ManifestError if it spans more lines than a record can have."""
        if len(lines) > MOST_SWALLOWED:
            raise ManifestError(
                f"{self._name}, line {line}: a quote opened here spans {len(lines):,} lines",
                "Close the quote, or double it if it is part of the cell. Rows before it may have been started; run the"
                " same command again to continue.",
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
        by_delimiter = (advice for mark, advice in _DELIMITER_ADVICE.items() if mark in text and mark != delimiter)
        advice = misspelt_object(cells) or next(by_delimiter, _HEADER_ADVICE)
        found = ", ".join(map(repr, cells))
        raise ManifestError(f'{name}, line {line}: no column is named "object"; the columns are {found}', advice)
    for heading, count in Counter(filter(None, cells)).items():
        if count > 1:
            column = len(cells) - cells[::-1].index(heading)
            raise ManifestError(
                f'{name}, line {line}, column {column}: duplicate column "{heading}"', "Remove one of them."
            )
    return cells


def columns_of(
    header: Sequence[str],
    parameters: Mapping[str, Parameter],
    ignored: Ignored,
    name: str,
    accepted: Collection[str] = (),
) -> Columns:
    """Determine the meaning of each column, except for the `accepted` ones, which the user wants ignored.

    Raises ManifestError if two columns are the same input.
    """
    where = {heading: index for index, heading in enumerate(header) if heading not in accepted}
    named: list[Input] = []
    for heading, index in where.items():
        if heading in OWN:
            continue
        input_ = heading.removeprefix(PREFIX)
        if input_ and (input_ != heading or heading in parameters):
            type_ = parameters[input_].type if input_ in parameters else "string"
            named.append(Input(index, heading, input_, type_))
        else:
            ignored.add(heading)
    for input_, count in Counter(column.name for column in named).items():
        if count > 1:
            raise ManifestError(
                f'{name}: the columns "{input_}" and "{PREFIX}{input_}" are the same input', "Remove one of them."
            )
    return Columns(len(header), where.get("bucket"), where["object"], where.get("inputs"), named)


def is_used(heading: str) -> bool:
    """Return whether a column is used, whatever the parameters of the workflow are."""
    return heading in OWN or heading.startswith(PREFIX)


def _row_of(columns: Columns, rows: Rows, strays: Strays) -> Callable[[Entry], Row | BadRow | None]:
    """Return a function that makes a row of a record, or None if the record is none of a row."""
    width, bucket_at, key_at = columns.width, columns.bucket, columns.key
    has_inputs = bool(columns.named) or columns.inputs is not None
    suspects, is_single = strays.suspects, width == 1

    def make(entry: Entry) -> Row | BadRow | None:
        line, cells, text = entry
        if isinstance(cells, str):
            return rows.bad(line, "", "", cells, text)
        if len(cells) != width:
            if strays.is_stray(line, cells, text):
                return None
            fault = _width_fault(cells, width, text)
            cells += [""] * (width - len(cells))
            if fault:
                return rows.bad(line, "" if bucket_at is None else cells[bucket_at], cells[key_at], fault, text)
        bucket = "" if bucket_at is None else cells[bucket_at]
        object_ = cells[key_at]
        # Looking at the object first is what keeps this cheap.
        if (object_ in suspects or (is_single and (" row" in object_ or object_[0] == "#"))) and strays.is_stray(
            line, cells, text
        ):
            return None
        try:
            if MARK in object_:
                bucket, object_ = located(bucket, object_)
            return rows.row(line, bucket, object_, _inputs(cells, columns) if has_inputs else None)
        except ValueError as fault_:
            return rows.bad(line, bucket, object_, fault_, text)

    return make


def _plain_rows(  # noqa: PLR0913, PLR0917 - a text, and what makes rows of it
    text: str, delimiter: str, columns: Columns, line: int, rows: Rows, strays: Strays
) -> PlainRows | None:
    """Make the rows of a text that begins on this line, as the function of `_row_of` would, or return None."""
    cells = table_columns(text, delimiter, columns.width, columns.key)
    if cells is None:
        return None
    objects = cells[columns.key]
    if not strays.suspects.isdisjoint(objects):
        return None
    if columns.width == 1 and (" row" in text or ("#" in text and any(each.startswith("#") for each in objects))):
        return None
    try:
        written = _written(cells, columns, rows)
    except ValueError:
        return None
    return rows.plain(line, None if columns.bucket is None else cells[columns.bucket], objects, written)


def _written(cells: Sequence[Sequence[str]], columns: Columns, rows: Rows) -> Sequence[bytes] | None:
    """Return the canonical inputs of each record, None if there are no inputs. Raises ValueError."""
    places = [column.at for column in columns.named] + ([] if columns.inputs is None else [columns.inputs])
    if not places:
        return None
    own = cells[places[0]] if len(places) == 1 else list(zip(*(cells[at] for at in places), strict=True))
    where = dict(zip(own, range(len(own)), strict=True))
    written = {each: rows.written(_inputs([cell[at] for cell in cells], columns)) for each, at in where.items()}
    return [written[each] for each in own]


def _width_fault(cells: Sequence[str], width: int, text: str) -> str:
    """Return what is wrong with a record of another width than the header; empty if only its last cells are missing."""
    if len(cells) > width:
        cells_under = f"{counted(len(cells), 'cell')} under {counted(width, 'column')}"
        return f"{cells_under}; a cell that contains the delimiter needs quotes"
    if not text.endswith(("\n", "\r")):
        return f"the file ends within this line: it has {len(cells)} of {width} cells, and no line end"
    return ""


def _inputs(cells: Sequence[str], columns: Columns) -> dict[str, Json]:
    """Read a record's inputs. A column for one input overrides the column `inputs`. Raises ValueError."""
    inputs: dict[str, Json] = {}
    heading = "inputs"
    try:
        if columns.inputs is not None and cells[columns.inputs]:
            inputs = json_object(cells[columns.inputs])
            require_exact(inputs.values(), cells[columns.inputs])
        for at, heading, name, type_ in columns.named:  # noqa: B007 - for the error
            if cells[at]:
                inputs[name] = to_type(cells[at], type_)
    except ValueError as fault:
        raise ValueError(f"{heading}: {fault}") from None
    return inputs
