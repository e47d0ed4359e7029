"""Manifests printed by `obsutil ls -s`: one `obs://bucket/object` per line, in sections among headings and totals.

https://support.huaweicloud.com/intl/en-us/utiltg-obs/obs_11_0014.html. Only what is certainly an object of the latest
version is a row: a start names no version. Without -s the end of an object name with spaces is ambiguous, so that form
is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum

from batcher.edges.manifest.lines import LineReader
from batcher.edges.manifest.rows import Rows
from batcher.edges.manifest.skipped import DELETE_MARKER, OTHER_SECTION, UPLOAD, VERSION, Skipped
from batcher.errors import ManifestError
from batcher.model import BadRow, Row
from batcher.rules.rows.plain_rows import Block

_SCHEME = "obs://"


class _Section(Enum):
    """What the lines of a section are. The value is the kind that they are skipped as, empty for rows."""

    UNNAMED = "no heading"
    """Before the first heading, and in a list without headings."""
    OBJECTS = ""
    FOLDERS = "folders"
    VERSIONS = VERSION
    DELETE_MARKERS = DELETE_MARKER
    UPLOADS = UPLOAD
    OTHERS = OTHER_SECTION


_SECTIONS = {
    "bucket": _Section.UNNAMED,
    "object": _Section.OBJECTS,
    "folder": _Section.FOLDERS,
    "version": _Section.VERSIONS,
    "versions": _Section.VERSIONS,
    "versioning object": _Section.VERSIONS,
    "deletemarker": _Section.DELETE_MARKERS,
    "delete marker": _Section.DELETE_MARKERS,
    "upload": _Section.UPLOADS,
    "multipart": _Section.UPLOADS,
    "multipart upload": _Section.UPLOADS,
}
_HEADING = re.compile(r"([A-Z][A-Za-z ]*) list:\s*")
_BEGIN = re.compile(
    r"Start at [0-9]{4}-.*|[\r ]*(?:Listing (?:versioning )?(?:objects|multipart uploads)[ .\r]|Querying ).*"
)
"""The first line of a list. obsutil rewrites its progress in place, with carriage returns but no line end."""
_TOTAL = re.compile(
    r"Total size of .*|(?P<what>[A-Z][A-Za-z ]*) number(?: is)?: (?P<number>[0-9]+)"
    r"|\[DU\] .*|Remove the -du parameter .*|The authorized prefix is .*"
)
_COUNTED = frozenset({"File", "Object"})
_CUT = re.compile(r"Next (?:key ?|version ?id ?|upload ?id ?)?marker(?: is)?:.*", re.IGNORECASE)
_ERROR = re.compile(r"(?:Error|Warn): .*|.* failed, (?:status|error) \[.*")
_LONG_FORM = re.compile(r"key\s+(?:LastModified|VersionId|Initiated)\s.*", re.IGNORECASE)
_LONG_ENTRY = re.compile(r'.*\s[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\s.*"')
_UPLOAD_ENTRY = re.compile(r".* [0-9A-F]{32}")
_ESCAPED = re.compile(r"(?=.*%)(?:[A-Za-z0-9_.~*/+!'()-]|%[0-9A-Fa-f]{2})+")
"""A name that may be percent-encoded: it has nothing that must be encoded, and no % that begins no escape."""

_CUT_NOTE = "obsutil stopped at its limit, so the list is incomplete: list again with -limit=-1"
_LONG_FORM_ADVICE = (
    "List again with obsutil ls -s, without -v and -m. Without -s the end of an object name with spaces is ambiguous."
)
_ESCAPED_FAULT = (
    "object: the name may be percent-encoded, as by obsutil ls -encoding-type=url: list again without that option, or"
    " give the name in a CSV file, where it is sent as it is written"
)


class ObsutilReader(LineReader):
    """Reads such a list. `name` is its name for messages; `is_resumed` says that earlier lines were read before.

    Reading can begin again within a section of objects only. `is_whole` says whether this is one.
    """

    def __init__(self, line: int, rows: Rows, skipped: Skipped, name: str, *, is_resumed: bool = False) -> None:
        super().__init__(line)
        self._rows = rows
        self._skipped = skipped
        self._name = name
        self._section = _Section.OBJECTS if is_resumed else _Section.UNNAMED
        self.is_whole = is_resumed
        self._listed: int | None = None if is_resumed else 0
        """The number of objects since the last total; None if the list was not read from its beginning."""
        self._is_open = is_resumed
        """Whether a section was begun and no total has followed it yet."""
        self._has_entries = is_resumed

    def listed(self, texts: Iterable[str]) -> Iterator[Block]:
        """Yield the rows of each text. Raises ManifestError for a list made without -s, or if obsutil listed nothing.

        What shows that the list is not whole is noted.
        """
        blocks: Iterator[Block] = self.rows(texts, self._row)
        yield from blocks
        self._need_totals()

    def _row(self, line: int, text: str) -> Row | BadRow | None:
        if text.startswith(_SCHEME):
            self._has_entries = True
            return self._entry(line, text)
        if text.isspace() or self._is_understood(line, text):
            return None
        # Possibly the rest of an object name with a line break: that name is incomplete, and this line is no name.
        return self._rows.bad(line, "", "", "not a line that obsutil ls -s prints", text)

    def _entry(self, line: int, text: str) -> Row | BadRow | None:
        section = self._section
        if text.endswith('"') and _LONG_ENTRY.fullmatch(text):
            raise self._long_form(line)
        if section is _Section.UNNAMED and _UPLOAD_ENTRY.fullmatch(text):
            section = _Section.UPLOADS
        bucket, _, key = text.removeprefix(_SCHEME).partition("/")
        if section is _Section.OBJECTS and self._listed is not None:
            self._listed += 1
        elif section not in {_Section.OBJECTS, _Section.UNNAMED, _Section.FOLDERS}:
            self._skipped.counts[section.value] += 1
            return None
        if self._skipped.is_placeholder(key):
            return None
        if "%" in key and _ESCAPED.fullmatch(key):
            return self._rows.bad(line, bucket, key, _ESCAPED_FAULT, text)
        try:
            return self._rows.row(line, bucket, key)
        except ValueError as fault:
            return self._rows.bad(line, bucket, key, fault, text)

    def _is_understood(self, line: int, text: str) -> bool:
        """Follow a line that names no object. Return whether it is one that obsutil prints."""
        heading = _HEADING.fullmatch(text)
        if heading is not None:
            self._enter(_SECTIONS.get(heading[1].lower(), _Section.OTHERS), is_open=True)
        elif _LONG_FORM.fullmatch(text):
            raise self._long_form(line)
        elif _CUT.fullmatch(text):
            self._skipped.note(_CUT_NOTE)
            self._is_open = False
        elif _ERROR.fullmatch(text):
            self._failed(line, text)
        elif _BEGIN.fullmatch(text):
            self._need_totals()
            self._listed = 0
            self._enter(_Section.UNNAMED, is_open=False)
        else:
            total = _TOTAL.fullmatch(text)
            if total is None:
                return False
            self._compare(total)
        return True

    def _enter(self, section: _Section, *, is_open: bool) -> None:
        self._section = section
        self._is_open = is_open
        self.is_whole = section is _Section.OBJECTS

    def _need_totals(self) -> None:
        if self._is_open:
            self._skipped.note("the list ends before obsutil's totals, so it is incomplete: list again")

    def _compare(self, total: re.Match[str]) -> None:
        """Compare the number of objects that obsutil counted with that of the list. The totals end its sections."""
        if total["what"] in _COUNTED and self._listed is not None:
            if int(total["number"]) != self._listed:
                self._skipped.note(
                    f"obsutil counted {int(total['number']):,} objects, but the list has {self._listed:,}: list again"
                )
            self._listed = 0
        self._enter(_Section.UNNAMED, is_open=False)

    def _failed(self, line: int, text: str) -> None:
        """Note an error of obsutil. Raise ManifestError if it has listed nothing before it."""
        if not self._has_entries:
            raise ManifestError(f"{self._name}, line {line}: obsutil could not list: {text}", "List again.")
        self._skipped.note(f"line {line}: obsutil reports an error, so the list may be incomplete: {text}")

    def _long_form(self, line: int) -> ManifestError:
        return ManifestError(f"{self._name}, line {line}: this is the long form of obsutil ls", _LONG_FORM_ADVICE)


def is_printed_by_obsutil(head: str) -> bool:
    """Return whether text begins like such a list: with an object's address, or with what obsutil prints before it."""
    first = next((line for line in head.replace("\r\n", "\n").split("\n") if line and not line.isspace()), "")
    return first.startswith(_SCHEME) or any(form.fullmatch(first) for form in (_BEGIN, _HEADING, _LONG_FORM, _TOTAL))
