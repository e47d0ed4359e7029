"""Compares the input that an execution shows with what was sent. Pure.

The contents of an execution's `input` are not documented (https://support.huaweicloud.com/en-us/api-obs/obs_04_0129.html).
`rules/doubts/contents.py` decides how it is read, and whether that is enough to settle a row in doubt.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import orjson

from batcher.model import ExecutionDetail, Json
from batcher.rules.doctor.points import Point, Result, Seen, compared, confirmed, differs, phrase, unseen
from batcher.rules.doubts.contents import BLURRED, Content, contents_of, likeness
from batcher.rules.doubts.differences import differences, of_bucket
from batcher.rules.doubts.likeness import forms

_HOW = ("as it was sent", "percent-encoded", "percent-encoded, a space as +")
_NO_KEY = "the input does not show the key"


def content(seen: Seen) -> Content | None:
    """Return the content in the execution's input that fits best what was sent. Return None if there is none."""
    text = _input(seen)
    found = () if text is None else contents_of(text) or ()
    return min(found, key=lambda each: _distance(seen, each), default=None)


def _input(seen: Seen) -> str | None:
    detail: ExecutionDetail | None = None if seen.detail is None else seen.detail.noun
    return None if detail is None else detail.input


def fits(seen: Seen) -> bool:
    """Return whether a row in doubt would be recognized by the input of its execution."""
    found = content(seen)
    return found is not None and _distance(seen, found) < BLURRED


def _distance(seen: Seen, found: Content) -> int:
    near = likeness(seen.sent, found)
    return BLURRED + 1 if near is None else near


def _readable(seen: Seen) -> Result:
    if seen.detail is None:
        return unseen("no execution was read")
    text = _input(seen)
    if text is None:
        return differs(phrase(seen.detail))
    found = content(seen)
    if found is None:
        return differs(f"an input of {len(text):,} characters without bucket and key")
    return confirmed(f"{_shape(text)}, with bucket and key")


def _bucket(seen: Seen) -> Result:
    found = content(seen)
    if found is None:
        return unseen("the input shows no bucket")
    words = of_bucket(seen.sent.bucket, found.bucket)
    is_same = found.bucket == seen.sent.bucket
    return compared("the bucket that was sent" if is_same else ", ".join(words) or "another bucket", holds=is_same)


def _as_sent(seen: Seen) -> Result:
    found = content(seen)
    if found is None:
        return unseen("the input shows no content")
    if likeness(seen.sent, found) is None:
        return differs("another content")
    words = differences(seen.sent, found)
    return differs(", ".join(words)) if words else confirmed("bucket, key and inputs")


def _shape(text: str) -> str:
    try:
        value = orjson.loads(text)
    except ValueError:
        return "text"
    if isinstance(value, str):
        return "JSON within text within text"
    return "an event record" if isinstance(value, dict) and "Records" in value else "plain JSON"


def _form(seen: Seen) -> tuple[str, str] | None:
    """Return the execution's key and how it is written. Return None if it is not the key that was sent."""
    found = content(seen)
    if found is None:
        return None
    read = forms(found.object)
    exact = [form for form in read if form == seen.sent.object]
    alike = exact or [form for form in read if _bare(form) == _bare(seen.sent.object)]
    return (alike[0], _HOW[read.index(alike[0])]) if alike else None


def _key(seen: Seen) -> Result:
    found = content(seen)
    if found is None:
        return unseen("the input shows no key")
    return compared("the key that was sent" if _form(seen) else "another key", holds=_form(seen) is not None)


def _bare(name: str) -> str:
    """Remove what a service might change: surrounding blanks, leading slashes, and Unicode composition."""
    return unicodedata.normalize("NFC", name).strip().lstrip("/")


def _encoding(seen: Seen) -> Result:
    if quote(seen.sent.object) == seen.sent.object:
        return unseen("the key has no character that percent-encoding changes")
    form = _form(seen)
    return unseen(_NO_KEY) if form is None else compared(form[1], holds=form[1] == _HOW[0])


def _slash(seen: Seen) -> Result:
    if not seen.sent.object.startswith("/"):
        return unseen("the key does not begin with a slash")
    form = _form(seen)
    if form is None:
        return unseen(_NO_KEY)
    return confirmed("it is kept") if _slashes(form[0]) == _slashes(seen.sent.object) else differs("it is removed")


def _slashes(key: str) -> int:
    return len(key) - len(key.lstrip("/"))


def _composed(seen: Seen) -> Result:
    key = seen.sent.object
    if key == key.strip() and unicodedata.is_normalized("NFC", key):
        return unseen("trimming or Unicode normalization would not change the key")
    form = _form(seen)
    if form is None:
        return unseen(_NO_KEY)
    kept = form[0].lstrip("/") == key.lstrip("/")
    return confirmed("it is unchanged") if kept else differs("it is trimmed or normalized")


def _inputs(seen: Seen) -> Result:
    sent = _sent(seen)
    if not sent:
        return unseen("no inputs were sent")
    found = content(seen)
    if found is None:
        return unseen("the input could not be read")
    if found.inputs is None:
        return differs("the execution shows no inputs")
    lost = sorted(name for name in sent if name not in found.inputs)
    changed = sorted(name for name in sent if name in found.inputs and found.inputs[name] != sent[name])
    if lost:
        return differs(f"missing: {', '.join(lost)}")
    return differs(f"changed: {', '.join(changed)}") if changed else confirmed("all inputs, with their types")


def _added(seen: Seen) -> Result:
    found = content(seen)
    if found is None or found.inputs is None:
        return unseen("the execution shows no inputs")
    more = sorted(found.inputs.keys() - _sent(seen).keys())
    return differs(f"added: {', '.join(more)}") if more else confirmed("none")


def _sent(seen: Seen) -> Mapping[str, Json]:
    sent: Mapping[str, Json] = orjson.loads(seen.sent.inputs or b"{}")
    return sent


KEPT: Sequence[Point] = (
    Point("input", "an execution's input shows the bucket and the key that it was started with", _readable),
    Point("bucket", "the bucket is the one that was sent", _bucket),
    Point("key", "the key is the one that was sent", _key),
    Point("key-encoding", "the key is written as it was sent, not percent-encoded", _encoding),
    Point("key-slash", "a leading slash of the key is kept", _slash),
    Point("key-composed", "the key is neither trimmed nor normalized", _composed),
    Point("inputs-kept", "the inputs are kept completely, with their types", _inputs),
    Point("inputs-added", "no inputs are added to those that were sent", _added),
    Point("as-sent", "what an execution shows is what it was started with, written in the same way", _as_sent),
)
"""The points about an execution's input."""
