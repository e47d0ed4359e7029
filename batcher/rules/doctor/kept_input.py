"""The kept: what an execution still tells of what it was started with, held against what was sent. Pure.

What an execution's `input` holds is nowhere documented (https://support.huaweicloud.com/en-us/api-obs/obs_04_0129.html);
how it is read is for `rules/doubts/contents.py` to say, and whether that is enough to settle a row in doubt too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import orjson

from batcher.model import ExecutionDetail, Json
from batcher.rules.doctor.points import Point, Seen, Told, confirmed, differs, phrase, told, unseen
from batcher.rules.doubts.contents import BLURRED, Content, bare, contents_of, forms, likeness

_HOW = ("as it was sent", "percent-encoded", "percent-encoded, a blank as +")


def content(seen: Seen) -> Content | None:
    """Give what the execution's input tells of what was sent, the likest place of it; None where it tells nothing."""
    text = _input(seen)
    found = () if text is None else contents_of(text) or ()
    return min(found, key=lambda each: _distance(seen, each), default=None)


def _input(seen: Seen) -> str | None:
    detail: ExecutionDetail | None = None if seen.detail is None else seen.detail.noun
    return None if detail is None else detail.input


def fits(seen: Seen) -> bool:
    """Tell whether a row in doubt would be recognised by what its execution tells."""
    found = content(seen)
    return found is not None and _distance(seen, found) < BLURRED


def _distance(seen: Seen, found: Content) -> int:
    near = likeness(seen.sent, found)
    return BLURRED + 1 if near is None else near


def _readable(seen: Seen) -> Told:
    if seen.detail is None:
        return unseen("no execution was looked at")
    text = _input(seen)
    if text is None:
        return differs(phrase(seen.detail))
    found = content(seen)
    if found is None:
        return differs(f"an input of {len(text):,} characters, in which there is no bucket and key")
    if found.bucket != seen.sent.bucket:
        return differs("another bucket than the one that was sent")
    return confirmed(f"{_shape(text)}, with bucket and key")


def _shape(text: str) -> str:
    try:
        value = orjson.loads(text)
    except ValueError:
        return "text"
    if isinstance(value, str):
        return "JSON in text in text"
    return "the record of an event" if isinstance(value, dict) and "Records" in value else "plain JSON"


def _form(seen: Seen) -> tuple[str, str] | None:
    """Give the key that is told, and how it is written; None where it is not the one that was sent."""
    found = content(seen)
    if found is None:
        return None
    read = forms(found.object)
    exact = [form for form in read if form == seen.sent.object]
    alike = exact or [form for form in read if bare(form) == bare(seen.sent.object)]
    return (alike[0], _HOW[read.index(alike[0])]) if alike else None


def _key(seen: Seen) -> Told:
    found = content(seen)
    if found is None:
        return unseen("no key was told")
    return told("the key that was sent" if _form(seen) else "another key", holds=_form(seen) is not None)


def _encoding(seen: Seen) -> Told:
    if quote(seen.sent.object) == seen.sent.object:
        return unseen("the key has no blank, %, + or letter that would be written otherwise")
    form = _form(seen)
    return unseen("the key was not told") if form is None else told(form[1], holds=form[1] == _HOW[0])


def _slash(seen: Seen) -> Told:
    if not seen.sent.object.startswith("/"):
        return unseen("the key does not begin with a slash")
    form = _form(seen)
    if form is None:
        return unseen("the key was not told")
    return confirmed("it is kept") if _slashes(form[0]) == _slashes(seen.sent.object) else differs("it is dropped")


def _slashes(key: str) -> int:
    return len(key) - len(key.lstrip("/"))


def _composed(seen: Seen) -> Told:
    key = seen.sent.object
    if key == key.strip() and unicodedata.is_normalized("NFC", key):
        return unseen("the key has no outer blank and no letter that could be composed otherwise")
    form = _form(seen)
    if form is None:
        return unseen("the key was not told")
    kept = form[0].lstrip("/") == key.lstrip("/")
    return confirmed("it is kept") if kept else differs("it is trimmed or normalised")


def _inputs(seen: Seen) -> Told:
    sent = _sent(seen)
    if not sent:
        return unseen("no inputs were sent")
    found = content(seen)
    if found is None:
        return unseen("nothing of the input could be read")
    if found.inputs is None:
        return differs("the execution tells no inputs")
    lost = sorted(name for name in sent if name not in found.inputs)
    changed = sorted(name for name in sent if name in found.inputs and found.inputs[name] != sent[name])
    if lost:
        return differs(f"not told: {', '.join(lost)}")
    return differs(f"told otherwise: {', '.join(changed)}") if changed else confirmed("every one, with its type")


def _added(seen: Seen) -> Told:
    found = content(seen)
    if found is None or found.inputs is None:
        return unseen("no inputs are told")
    more = sorted(found.inputs.keys() - _sent(seen).keys())
    return differs(f"added: {', '.join(more)}") if more else confirmed("none")


def _sent(seen: Seen) -> Mapping[str, Json]:
    sent: Mapping[str, Json] = orjson.loads(seen.sent.inputs or b"{}")
    return sent


KEPT: Sequence[Point] = (
    Point("input", "an execution's input tells the bucket and the key that it was started with", _readable),
    Point("key", "the key is the one that was sent", _key),
    Point("key-encoding", "the key stands there as it was sent, not percent-encoded", _encoding),
    Point("key-slash", "a leading slash of the key is kept", _slash),
    Point("key-composed", "the key is neither trimmed nor normalised", _composed),
    Point("inputs-kept", "the inputs are kept whole, with their types", _inputs),
    Point("inputs-added", "no inputs are added to those that were sent", _added),
)
"""The points that have to do with an execution's input."""
