"""Judges whether a page continues the list: what the service shows is a hypothesis, not a fact. Pure.

Rule: keys ascend by their bytes, from page to page. A page that repeats, goes back, answers another question or leads
nowhere ends the listing with an error, never in a loop and never as if the list had ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import lt

from batcher.rules.bucket.address import key_bytes
from batcher.rules.bucket.host import Asked
from batcher.rules.bucket.page import ObjectPage
from batcher.rules.text import printable


def fault_of(page: ObjectPage, asked: Asked) -> str | None:
    """Return what is wrong with a page as the answer to a question, None if nothing is."""
    for what, said, wanted in zip(("prefix", "marker"), page.echo, asked, strict=False):
        if said is not None and said != wanted:
            return f"a page is for the {what} {_shown(said)}, but {_shown(wanted)} was asked for"
    for names in (page.keys, page.prefixes):
        fault = _of_names(names, asked)
        if fault is not None:
            return fault
    if page.is_truncated and not _is_after(next_marker(page, asked), asked.marker):
        return f"a page after {_shown(asked.marker)} says that there is more, but does not lead on"
    if page.next_marker and _is_after(_last(page), page.next_marker):
        return f"the marker of the next page, {_shown(page.next_marker)}, is before the last key of the page"
    return None


def next_marker(page: ObjectPage, asked: Asked) -> str:
    """Return the marker to ask for the next page with.

    It is the last key of the page: it can skip none, whatever the service's own marker means. Pages need not have one.
    """
    last = _last(page)
    if not last or (asked.delimiter and page.next_marker.startswith(last)):
        return page.next_marker
    return last


def is_ascending(names: Sequence[str]) -> bool:
    """Return whether keys ascend by their bytes, each after the one before."""
    return all(map(lt, names, names[1:])) or all(_is_after(later, earlier) for earlier, later in pairwise(names))


def _last(page: ObjectPage) -> str:
    lasts = [names[-1] for names in (page.keys, page.prefixes) if names]
    return max(lasts, key=key_bytes, default="")


def _of_names(names: Sequence[str], asked: Asked) -> str | None:
    if not names:
        return None
    if asked.marker and not _is_after(names[0], asked.marker):
        return f"a page after {_shown(asked.marker)} goes back to {_shown(names[0])}"
    if not is_ascending(names):
        at = next(later for earlier, later in pairwise(names) if not _is_after(later, earlier))
        return f"{_shown(at)} is not in the order of the list"
    stranger = next((name for name in (names[0], names[-1]) if not name.startswith(asked.prefix)), None)
    return None if stranger is None else f"{_shown(stranger)} does not begin with {_shown(asked.prefix)}"


def _is_after(name: str, other: str) -> bool:
    return key_bytes(name) > key_bytes(other)


def _shown(name: str) -> str:
    return f'"{printable(name)}"'
