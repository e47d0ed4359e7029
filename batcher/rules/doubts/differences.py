"""Names how the content of an execution differs from what a row was sent with. Pure.

The differences are those that `rules/doubts/likeness.py` takes for another form of the same content. The words continue
"an execution has".
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote, unquote_plus

import orjson

from batcher.model import Json, Unsettled
from batcher.rules.doubts.contents import Content
from batcher.rules.doubts.likeness import UNKNOWN, as_utf_8, is_masked, only_ascii
from batcher.rules.rows.identity import canonical

Text = Callable[[str], str]


def _as_it_is(text: str) -> str:
    return text


ENCODINGS: Sequence[tuple[str, Text, Text]] = (
    ("", _as_it_is, _as_it_is),
    ("the key percent-encoded", _as_it_is, unquote),
    ("the key percent-encoded", _as_it_is, unquote_plus),
    ("the key percent-decoded", unquote, _as_it_is),
    ("the key percent-decoded", unquote_plus, _as_it_is),
)
"""How a key may have been encoded, with what makes the key that was sent and the reported one equal again."""

FOLDINGS: Sequence[tuple[str, Text]] = (
    ("the key with HTML entities", html.unescape),
    ("the key with UTF-8 that was read as Latin-1", as_utf_8),
    ("the key in another Unicode form", lambda text: unicodedata.normalize("NFKC", text)),
    ("the key in another case", str.casefold),
    ("the key with other slashes", lambda text: text.replace("/", "")),
    ("the key with other blanks", lambda text: "".join(text.split())),
)
"""In what a key may differ besides, with what removes this difference from both. They are applied in this order."""


def differences(row: Unsettled, content: Content) -> tuple[str, ...]:
    """Return how a content that may be the row's differs from it, in words. Empty if it does not."""
    sent = orjson.loads(row.inputs or b"{}")
    found = [*of_bucket(row.bucket, content.bucket), *_of_key(row.object, content.object)]
    return tuple(dict.fromkeys([*found, *_of_inputs(sent, content.inputs)]))


def of_bucket(sent: str, reported: str) -> Iterator[str]:
    """Return how a bucket differs that may be the one that was sent."""
    if reported != reported.casefold():
        yield "the bucket in another case"
    if reported.casefold().startswith(f"{sent}."):
        yield "the bucket with its domain"


def _of_key(sent: str, reported: str) -> Sequence[str]:
    if sent == reported:
        return ()
    for words, of_sent, of_reported in ENCODINGS:
        pair = of_sent(sent), of_reported(reported)
        if _folded(pair[0], FOLDINGS) == _folded(pair[1], FOLDINGS):
            return [*([words] if words else []), *_needed(*pair)]
    if any(mark in reported for mark in UNKNOWN) and only_ascii(sent).casefold() == only_ascii(reported).casefold():
        return ["the key with ? for other than ASCII characters"]
    if _folded(sent.rpartition("/")[2], FOLDINGS) == _folded(reported, FOLDINGS):
        return ["the key without its folders"]
    return ["only the beginning of the key" if sent.startswith(reported) else "the key in another form"]


def _folded(text: str, foldings: Sequence[tuple[str, Text]]) -> str:
    for _, fold in foldings:
        text = fold(text)
    return text


def _needed(sent: str, reported: str) -> list[str]:
    """Return the differences without which the keys are not equal."""
    needed = list(FOLDINGS)
    for each in FOLDINGS:
        others = [other for other in needed if other is not each]
        if _folded(sent, others) == _folded(reported, others):
            needed = others
    return [words for words, _ in needed]


def _of_inputs(sent: Mapping[str, Json], reported: Mapping[str, Json] | None) -> Iterator[str]:
    if reported is None:
        if sent:
            yield "no inputs"
        return
    yield from _of_members(sent, reported)
    if reported.keys() - sent.keys():
        yield "more inputs than were sent"


def _of_members(sent: Mapping[str, Json], reported: Mapping[str, Json]) -> Iterator[str]:
    for name, value in sent.items():
        if name in reported:
            yield from _of_value(value, reported[name])
        else:
            yield "the inputs without null values"


def _of_value(sent: Json, reported: Json) -> Iterator[str]:
    if canonical({"": sent}) == canonical({"": reported}):
        return
    if is_masked(reported):
        yield "masked inputs"
    elif isinstance(sent, dict) and isinstance(reported, dict):
        yield from _of_members(sent, reported)
    elif isinstance(sent, list) and isinstance(reported, list):
        yield from _of_items(sent, reported)
    elif isinstance(sent, str) and isinstance(reported, str):
        yield "text in the inputs in another form"
    elif isinstance(reported, str):
        is_number = isinstance(sent, int | float) and not isinstance(sent, bool)
        yield "numbers in the inputs as text" if is_number else "inputs as text"
    else:
        yield "numbers in the inputs in another form"


def _of_items(sent: list[Json], reported: list[Json]) -> Iterator[str]:
    if len(reported) < len(sent):
        yield "the inputs without null values"
        sent = [item for item in sent if item is not None]
    for item, shown in zip(sent, reported, strict=False):
        yield from _of_value(item, shown)
