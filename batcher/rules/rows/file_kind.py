"""What a file is that is not a list in UTF-8, by its first bytes, and what to do about it. Pure.

The bytes are those of the formats' own specifications. Where they prove nothing, nothing is claimed: a list that is
converted from a wrong encoding is a list of other objects.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LOOKED_AT = 1024
"""The number of bytes at the beginning of a file that show what it is."""


class Kind(NamedTuple):
    """What a file looks like, and what to do about it. `encoding` is that of a text to convert, empty for others."""

    what: str
    advice: str
    encoding: str = ""


_SAVE = "Save the list as CSV in UTF-8."
_UNPACK = "Unpack it, and give the list in it: {}"
_CHECK = "Check that this is the file with the list."

_SIGNATURES = (
    (rb"\x1f\x8b", "a gzip file within a gzip file", "Unzip it once: gunzip -c MANIFEST > NEW-MANIFEST.gz"),
    (rb"\x1f[\x9d\xa0]", "a file of compress", _UNPACK.format("uncompress -c MANIFEST > NEW-MANIFEST")),
    (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "a bzip2 file", _UNPACK.format("bunzip2 -c MANIFEST > NEW-MANIFEST")),
    (rb"\xfd7zXZ", "an xz file", _UNPACK.format("xz -dc MANIFEST > NEW-MANIFEST")),
    (rb"\x5d\x00\x00[\x00-\xff]{2}", "an lzma file", _UNPACK.format("xz -dc --format=lzma MANIFEST > NEW-MANIFEST")),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "a zstd file", _UNPACK.format("zstd -dc MANIFEST > NEW-MANIFEST")),
    (rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", "an lz4 file", _UNPACK.format("lz4 -dc MANIFEST > NEW-MANIFEST")),
    (rb"\xff\x06\x00\x00sNaPpY", "a snappy file", _UNPACK.format("snzip -dc MANIFEST > NEW-MANIFEST")),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK.format("7z x MANIFEST")),
    (rb"Rar!\x1a\x07", "a rar archive", _UNPACK.format("unrar x MANIFEST")),
    (rb"PK\x03\x04(?s:.){0,600}(?:\[Content_Types\]|docProps/|xl/)", "a spreadsheet (xlsx)", _SAVE),
    (rb"PK\x03\x04(?s:.){26}mimetypeapplication/", "a spreadsheet (ods)", _SAVE),
    (rb"PK\x03\x04(?s:.){22}[\x01-\xff]\x00", "a zip archive", _UNPACK.format("unzip MANIFEST")),
    (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip file or a spreadsheet", f"Unpack it, or save it. {_SAVE}"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\x09[\x00\x02\x04\x08][\x04\x06\x08\x10]\x00", "a spreadsheet (xls)", _SAVE),
    (rb"(?s:.){257}ustar", "a tar archive", _UNPACK.format("tar -xf MANIFEST")),
    (rb"PAR1", "a Parquet file", "Name the file .parquet, or give --format parquet."),
    (rb"Obj\x01", "an Avro file", _SAVE),
    (rb"SQLite format 3\x00", "an SQLite database", "Export the list from it as CSV."),
    (rb"%PDF-", "a PDF document", _SAVE),
    (rb"\{\\rtf", "an RTF document", _SAVE),
    (
        rb"(?i)\s*<!doctype html|\s*<html",
        "an HTML page",
        "Check how the list was downloaded: this may be an error page.",
    ),
    (rb"\s*<\?xml", "an XML document", "Make a list of it, as CSV or with one key per line."),
    (rb"\x7fELF|MZ[\x00-\xff]{2}\x00", "a program", _CHECK),
)
_TABLE = [(re.compile(pattern), Kind(what, advice)) for pattern, what, advice in _SIGNATURES]

_UTF8_MARK = b"\xef\xbb\xbf"
_MARKS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x19\x1c-\x1f\x7f\ufffe\uffff]")
"""Characters that no list has. The end-of-file character of DOS and escapes may be in a text."""
_CONTROL_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x19\x1c-\x1f\x7f]")


def kind_of(head: bytes) -> Kind | None:
    """Return what a file is whose first bytes are `head`, None if it may be a list."""
    kind = next((kind for pattern, kind in _TABLE if pattern.match(head.removeprefix(_UTF8_MARK))), None)
    if kind is not None:
        return kind
    head = head[:LOOKED_AT]
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    if mark or head.count(0) * 4 > len(head):
        encoding = _MARKS[mark] if mark else _wide_encoding(head)
        if encoding and _is_text(head, encoding):
            return _text(encoding)
        return Kind("binary data", _CHECK)
    return None


def encoding_of(sample: bytes, at: int) -> Kind:
    """Return in which encoding the lines of `sample` may be, whose byte `at` is not UTF-8.

    A Chinese character has two high bytes there; an accented letter stands alone.
    """
    if _CONTROL_BYTE.search(sample):
        return Kind("binary data", _CHECK)
    encoding = "GB18030" if sample[at + 1 : at + 2] > b"\x7f" else "WINDOWS-1252"
    if _is_text(sample, encoding) and (encoding != "GB18030" or _is_chinese(sample)):
        return _text(encoding)
    advice = "Find out in which encoding it was written: iconv -f ENCODING -t UTF-8 MANIFEST > NEW-MANIFEST"
    return Kind("text in another encoding", advice)


def _text(encoding: str) -> Kind:
    return Kind(encoding, f"Convert it: iconv -f {encoding} -t UTF-8 MANIFEST > NEW-MANIFEST", encoding)


def _wide_encoding(head: bytes) -> str:
    """Return the encoding of text whose ASCII characters have a zero byte each; empty if zeros are elsewhere too."""
    low, high = head[::2].count(0), head[1::2].count(0)
    if not low:
        return "UTF-16LE"
    return "" if high else "UTF-16BE"


def _is_chinese(data: bytes) -> bool:
    """Return whether most of the characters are among the common ones of GB 2312. In other alphabets they are not."""
    wide = [char.encode("gb18030")[0] for char in data.decode("gb18030", "ignore") if not char.isascii()]
    return sum(0xA1 <= lead <= 0xA9 or 0xB0 <= lead <= 0xD7 for lead in wide) * 2 > len(wide)  # noqa: PLR2004 - the rows


def _is_text(data: bytes, encoding: str) -> bool:
    """Return whether bytes, which may end within a character, are text in this encoding."""
    cut = len(data) - len(data) % 4 if encoding.lower().startswith("utf") else len(data)
    try:
        text = data[:cut].decode(encoding)
    except UnicodeDecodeError as error:
        # A character that is cut off at the end, or the first half of a pair.
        if error.start < cut - 4:
            return False
        text = data[: error.start].decode(encoding)
    return bool(text) and not _CONTROL.search(text)
