"""The form in which a service shows contents, learned from executions whose content is known. Pure.

Rule 1: a form is a function of what was sent. What an execution shows must be exactly its result.
Rule 2: no form here loses a part of the content. What is masked, cut, left out or shown as ? is in no form, nor is a
key without its slashes. A form may lose how a text is written, such as its case.
Rule 3: where several forms explain all that is known, they must agree about a row as well.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import orjson

from batcher.model import Json, Unsettled
from batcher.rules.doubts.contents import BLURRED, Content, bucket_likeness, inputs_likeness, object_likeness
from batcher.rules.rows.identity import canonical

DEEPEST = 3
"""How many changes may make a form together."""

Change = Callable[[Any], Any]
Form = tuple[Change, ...]
"""Changes that are made one after another. Without any, the content is shown as it was sent."""
Inputs = Mapping[str, Json]

_KEY_CHANGES: Sequence[Change] = (
    unquote,
    unquote_plus,
    partial(unicodedata.normalize, "NFC"),
    partial(unicodedata.normalize, "NFD"),
    partial(unicodedata.normalize, "NFKC"),
    str.lower,
    str.upper,
    str.strip,
    lambda key: key.replace("/", "//"),
    lambda key: re.sub("/+", "/", key),
    lambda key: key.strip("/"),
    lambda key: key.lstrip("/"),
    lambda key: key.rstrip("/"),
    lambda key: "/" + key,
    lambda key: key.encode().decode("latin-1"),
    html.escape,
    quote,
    partial(quote, safe=""),
    partial(quote_plus, safe="/"),
    quote_plus,
)


def _without_null(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_null(item) for name, item in value.items() if item is not None}
    return [_without_null(item) for item in value if item is not None] if isinstance(value, list) else value


def _each(change: Callable[[Json], Json], value: Json) -> Json:
    """Change the values in a value that are neither a list nor a map."""
    if isinstance(value, dict):
        return {name: _each(change, item) for name, item in value.items()}
    return [_each(change, item) for item in value] if isinstance(value, list) else change(value)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_number(value: Json) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_number, value.values() if isinstance(value, dict) else value))
    return _is_number(value)


def _text_of(value: Json) -> str:
    return orjson.dumps(value).decode()


def _spaced(value: Json) -> str:
    """Write a value with blanks between its members, as other programs do."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text_of(name)}: {_spaced(item)}" for name, item in value.items()) + "}"
    return "[" + ", ".join(map(_spaced, value)) + "]" if isinstance(value, list) else _text_of(value)


def _texts(change: Callable[[str], str]) -> Change:
    return partial(_each, lambda value: change(value) if isinstance(value, str) else value)


def _numbers(change: Callable[[float], Json]) -> Change:
    return partial(_each, lambda value: change(value) if _is_number(value) else value)


def _members(change: Callable[[Json], Json]) -> Change:
    return lambda inputs: {name: change(value) for name, value in inputs.items()}


def _read(value: Json) -> Json:
    """Read a text as the JSON that it may be."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


_INPUT_CHANGES: Sequence[Change] = (
    _without_null,
    _numbers(float),
    _numbers(lambda value: int(value) if value == int(value) else value),
    _numbers(_text_of),
    _members(lambda value: value if isinstance(value, str) else _text_of(value)),
    _members(lambda value: value if isinstance(value, str) else _spaced(value)),
    _members(_read),
    _texts(str.strip),
    _texts(lambda text: f" {text} "),
    _texts(html.escape),
    _texts(partial(unicodedata.normalize, "NFC")),
)


class Sent(NamedTuple):
    """What an execution was started with."""

    bucket: str
    object: str
    inputs: Inputs


def sent_of(row: Unsettled) -> Sent:
    """Return what a row is sent with."""
    return Sent(row.bucket, row.object, orjson.loads(row.inputs or b"{}"))


class Shown(NamedTuple):
    """The forms in which a service shows contents, by part. Several of one part explain all that is known equally."""

    bucket: Sequence[Form]
    object: Sequence[Form]
    inputs: Sequence[Form]
    has_numbers: bool = False
    """Whether a number was sent with one of those that are known, so that it is known how numbers are shown."""

    @property
    def is_exact(self) -> bool:
        """Whether contents are shown as they were sent."""
        return all(forms == [()] for forms in (self.bucket, self.object, self.inputs))

    def separates(self, sent: Inputs, reported: Inputs | None) -> bool:
        """Return whether these are two contents, because the service shows numbers and texts as they were sent."""
        return self.has_numbers and self.inputs == [()] and inputs_likeness(sent, reported) != 0

    def fits(self, sent: Sent, content: Content) -> bool:
        """Return whether a content is what was sent: each part as it was, or in its form."""
        parts = (
            (bucket_likeness(sent.bucket, content.bucket), self.bucket, sent.bucket, content.bucket),
            (object_likeness(sent.object, content.object), self.object, sent.object, content.object),
            (inputs_likeness(sent.inputs, content.inputs), self.inputs, sent.inputs, content.inputs),
        )
        return all(_is_near(near) or _is_result(*part) for near, *part in parts)


def _is_near(likeness: int | None) -> bool:
    return likeness is not None and likeness < BLURRED


def _is_result(forms: Iterable[Form], sent: Any, reported: Any) -> bool:
    if reported is None:
        return False
    wanted = _comparable(reported)
    return all(_comparable(_made(form, sent)) == wanted for form in forms)


def learned(known: Sequence[tuple[Sent, Content | None]]) -> Shown | None:
    """Return the forms with the fewest changes that show all of these, None if there are none.

    `known` are the contents of executions that surely exist, with what is shown of them, None if that is not readable.
    """
    pairs = [(sent, content) for sent, content in known if content is not None]
    if not known or len(pairs) < len(known) or any(sent.inputs and shown.inputs is None for sent, shown in pairs):
        return None
    buckets = [(sent.bucket, content.bucket) for sent, content in pairs]
    objects = [(sent.object, content.object) for sent, content in pairs]
    shown = Shown(
        _fewest([str.upper, _domain(*buckets[0])], buckets),
        _fewest(_KEY_CHANGES, objects),
        learned_of_inputs(pairs),
        any(_has_number(dict(sent.inputs)) for sent, _ in pairs),
    )
    return shown if all((shown.bucket, shown.object, shown.inputs)) else None


def learned_of_inputs(known: Sequence[tuple[Sent, Content]]) -> Sequence[Form]:
    """Return the forms with the fewest changes that show the inputs of all of these, empty if there are none."""
    inputs = [(sent.inputs, {} if content.inputs is None else content.inputs) for sent, content in known]
    return _fewest([*_INPUT_CHANGES, _added(*inputs[0])], inputs)


def _domain(sent: str, reported: str) -> Change:
    """Return the change that adds what a reported bucket has after its name."""
    return lambda bucket: bucket + reported[len(sent) :]


def _added(sent: Inputs, reported: Inputs) -> Change:
    """Return the change that adds those inputs of an execution that were not sent, where a row does not have them."""
    more = {name: value for name, value in reported.items() if name not in sent}
    return lambda inputs: more | inputs


def _fewest(changes: Sequence[Change], pairs: Sequence[tuple[Any, Any]]) -> list[Form]:
    wanted = [(sent, _comparable(reported)) for sent, reported in pairs]
    for size in range(DEEPEST + 1):
        found = [
            form
            for form in combinations(changes, size)
            if all(_comparable(_made(form, sent)) == reported for sent, reported in wanted)
        ]
        if found:
            return found
    return []


def _made(form: Form, sent: Any) -> Any:
    for change in form:
        sent = change(sent)
    return sent


def _comparable(part: Any) -> str | bytes:
    return part if isinstance(part, str) else canonical(part)
