"""What a service leaves out of contents, as executions whose content is known show it. Pure.

Where a part is left out, two contents look the same: an execution that is shown with exactly the content of a row may
have been started with more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from batcher.model import Json
from batcher.rules.doubts.contents import BLURRED, Content, object_likeness
from batcher.rules.doubts.forms import Sent
from batcher.rules.doubts.likeness import UNKNOWN, is_masked
from batcher.rules.rows.identity import canonical


class Loss(NamedTuple):
    """One way of leaving out a part."""

    words: str
    """What an execution may be that looks like a row's. They continue "an execution at its time"."""
    is_shown: Callable[[Sent, Content], bool]
    """Whether what is shown of a known execution lacks this part of what it was started with."""
    may_leave: Callable[[Sent, Content], bool]
    """Whether a row's content may be what is left of another one, if a known execution is shown with this content."""


def loss_for(row: Sent, known: Sequence[tuple[Sent, Content]]) -> str:
    """Return what an execution may be that is shown with exactly a row's content, empty if it can only be the row's.

    `known` are the contents of executions that surely exist, with what is shown of them.
    """
    for loss in _LOSSES:
        if any(loss.is_shown(sent, shown) and loss.may_leave(row, shown) for sent, shown in known):
            return loss.words
    return ""


def _has_masked(value: Json) -> bool:
    if isinstance(value, dict | list):
        items: Iterable[Json] = value.values() if isinstance(value, dict) else value
        return any(map(_has_masked, items))
    return is_masked(value)


def _is_masked(sent: Sent, shown: Content) -> bool:
    inputs = shown.inputs or {}
    return _has_masked(dict(inputs)) and canonical(inputs) != canonical(sent.inputs)


def _is_key_in_part(sent: Sent, shown: Content) -> bool:
    return object_likeness(sent.object, shown.object) == BLURRED


def _has_question_mark(key: str) -> bool:
    return any(mark in key for mark in UNKNOWN)


_LOSSES = (
    Loss(
        "may have inputs, which the service does not show",
        lambda sent, shown: bool(sent.inputs) and shown.inputs is None,
        lambda row, _: not row.inputs,
    ),
    Loss("may have other inputs, which the service masks", _is_masked, lambda row, _: _has_masked(dict(row.inputs))),
    Loss(
        "may have another key, of which the service shows ? for some characters",
        lambda sent, shown: _is_key_in_part(sent, shown) and _has_question_mark(shown.object),
        lambda row, _: _has_question_mark(row.object),
    ),
    Loss(
        "may have another key, which the service shows without its folders or slashes",
        lambda sent, shown: _is_key_in_part(sent, shown) and "/" in sent.object and "/" not in shown.object,
        lambda row, _: "/" not in row.object,
    ),
    Loss(
        "may have a longer key, of which the service shows only the beginning",
        lambda sent, shown: _is_key_in_part(sent, shown) and sent.object.startswith(shown.object),
        # It may have been cut after a number of characters, or of bytes.
        lambda row, shown: len(row.object.encode()) >= len(shown.object),
    ),
)
