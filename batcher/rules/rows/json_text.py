"""The structure of JSON text: where its objects end, and which kind of file it is, before any of it is parsed. Pure.

A JSON parser needs the whole text of a value. This finds the texts of single objects in text that arrives in pieces.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BLANK = " \t\r\n"
"""The characters that JSON allows between values."""

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rf'{_STRING}|["{{}}]', re.DOTALL)
_PLAIN = rf'[^{{}}"]*+(?:{_STRING}[^{{}}"]*+)*+'
_SHALLOW = re.compile(rf"\{{{_PLAIN}(?:\{{{_PLAIN}\}}{_PLAIN})*+\}}", re.DOTALL)
"""An object in whose objects are no others, as almost all rows are: it is found at once."""


class Scan(NamedTuple):
    """How far an object was followed: to `at`, which is its end if `depth` is 0. `depth` counts open braces there."""

    at: int
    depth: int
    is_in_string: bool = False


def scan_object(text: str, begin: int, depth: int = 0) -> Scan:
    """Follow the braces of an object in `text` from `begin`, where `depth` of them are open, to its end if it is there.

    If the object goes on behind the text, the scan can be continued with the same text and what follows it.
    """
    if not depth and (shallow := _SHALLOW.match(text, begin)):
        return Scan(shallow.end(), 0)
    for token in _TOKEN.finditer(text, begin):
        match token[0]:
            case "{":
                depth += 1
            case "}":
                depth -= 1
                if not depth:
                    return Scan(token.end(), 0)
            case '"':
                return Scan(token.start(), depth, is_in_string=True)
        begin = token.end()
    return Scan(begin, depth)


class Fault(NamedTuple):
    """What a file is, if it is not what its format says, and what to do."""

    what: str
    advice: str


def fault_of_lines(text: str) -> Fault | None:
    """Return what is wrong with the beginning of a JSON Lines file as a whole. Faults of one line are left to it.

    `text` ends with a line end, or is all there is.
    """
    line, _, rest = text.lstrip(BLANK).partition("\n")
    if line.startswith("["):
        is_open = line[1:].strip(BLANK)[:1] in {"", "{"} or not line.rstrip(BLANK).endswith("]")
        return Fault("a JSON array, not JSON Lines", "Name the file .json, or give --format json.") if is_open else None
    if not line.startswith("{"):
        return None
    scan = scan_object(line, 0)
    if scan.depth:
        is_open = not scan.is_in_string and not rest.lstrip(BLANK).startswith("{") and bool(rest.strip(BLANK))
        return Fault("JSON objects of several lines, not JSON Lines", _TO_LINES) if is_open else None
    following = line[scan.at :].lstrip(BLANK)
    if following.startswith(","):
        return Fault("JSON objects with a comma after each, not JSON Lines", "Remove the commas, one object per line.")
    if following.startswith("{"):
        return Fault("several JSON objects on one line, not JSON Lines", _TO_LINES)
    return None


def fault_of_array(text: str) -> Fault | None:
    """Return what is wrong with the beginning of a file that must be one JSON array of objects, None if it is one."""
    text = text.lstrip(BLANK)
    if not text or text.startswith("["):
        return None
    if not text.startswith("{"):
        return Fault("not a JSON array of objects", "Check --format.")
    scan = scan_object(text, 0)
    if scan.depth or not text[scan.at :].strip(BLANK):
        advice = "Give the array of objects in it, for example: jq .NAME FILE > NEW.json"
        return Fault("one JSON object, not an array of objects", advice)
    if fault_of_lines(text) is None:
        return Fault("JSON Lines, not a JSON array", "Name the file .jsonl, or give --format jsonl.")
    return Fault("JSON objects that are not in an array", "Put them in one: jq -s . FILE > NEW.json")


_TO_LINES = "Write one object per line: jq -c . FILE > NEW.jsonl"
