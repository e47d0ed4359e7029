"""Matches executions of the service with rows in doubt. Pure.

Rule 1: a row is released for sending only if no execution can belong to it. An unclear row stays in doubt.
Rule 2: one execution explains one row. Executions left over were started by another client and are only reported.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from batcher.model import Execution, ExecutionDetail, Unsettled
from batcher.rules.doubts.contents import AS_TEXT, BLURRED, Content, contents_of, likeness
from batcher.rules.doubts.differences import differences
from batcher.rules.doubts.forms import Shown, sent_of
from batcher.rules.doubts.likeness import cuts, places, places_of
from batcher.rules.doubts.times import EARLY, LATE
from batcher.rules.service.dialect import Window

IN_FORM = 25
"""The likeness of a content in the form in which the service is known to show contents."""

UNREADABLE = "cannot be read"
CONTESTED = "fits several rows"

Sent = tuple[str, str, bytes]
"""What a row is sent with: bucket, object and inputs."""
Contents = tuple[Content, ...] | None
"""What an execution was started with, None if that cannot be read."""


class Matching(NamedTuple):
    """The result of matching the execution list with the rows in doubt."""

    started: list[tuple[Unsettled, ExecutionDetail]]
    """Started rows, each with its execution."""
    absent: list[Unsettled]
    """Rows that no execution in the list can belong to."""
    unclear: list[Unsettled]
    """Rows to which an execution in the list may or may not belong."""
    elsewhere: list[ExecutionDetail]
    """Executions of the same content that another client started."""
    why: dict[int, str]
    """Why each unclear row is, by its id, in words that continue "an execution at its time"."""

    def doubting(self, why: Mapping[int, str]) -> Matching:
        """Return the same result, with these started rows as unclear. `why` has their ids, with words if there are."""
        started = [(row, found) for row, found in self.started if row.id not in why]
        doubted = [row for row, _ in self.started if row.id in why]
        words = {row.id: why[row.id] for row in doubted if why[row.id]}
        return self._replace(started=started, unclear=[*self.unclear, *doubted], why=self.why | words)


class Known(NamedTuple):
    """What is known of how the service shows contents: nothing, unless controls show it."""

    shown: Shown | None = None
    """The form in which it shows them."""
    proven: Container[int] = ()
    """The ids of the rows whose controls the list shows as they are. Others are not adopted in another form."""

    @property
    def is_exact(self) -> bool:
        """Whether contents come back as they were sent."""
        return self.shown is not None and self.shown.is_exact


NOTHING = Known()


def window(row: Unsettled, settle_time: float) -> Window:
    """Return the window of a row in doubt. It is open-ended if the time of the row's last attempt is unknown."""
    return Window(row.intent_at - EARLY, row.last_at + max(settle_time, LATE))


def is_within(at: float | None, windows: Iterable[Window]) -> bool:
    """Return whether a time may lie in one of the windows. An unknown time may."""
    return at is None or any(begin <= at <= end for begin, end in windows)


def merged(windows: Iterable[Window]) -> list[Window]:
    """Join overlapping windows, sorted by time."""
    joined: list[Window] = []
    for each in sorted(windows):
        if joined and each.begin <= joined[-1].end:
            joined[-1] = Window(joined[-1].begin, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return joined


def match(
    rows: Sequence[Unsettled], found: Sequence[ExecutionDetail], windows: Sequence[Window], known: Known = NOTHING
) -> Matching:
    """Match rows in doubt one to one with executions that no row owns. `windows` are those of the rows, in order.

    An execution whose time or input cannot be read may belong to any row, and is never a row's for certain. If contents
    come back as they were sent, an execution with exactly the content of a row belongs to no other row. If they come
    back in another form, an execution with the content of a row in that form is the row's, as long as it is no other
    row's in any form.
    """
    candidates = [each.execution for each in found]
    contents = [None if each.input is None else contents_of(each.input) for each in found]
    fits = _fits(rows, candidates, contents, known)
    if known.is_exact:
        fits = _without_taken(fits, candidates, windows)
    possible = [_in_time(row_fits, candidates, within) for row_fits, within in zip(fits, windows, strict=True)]
    edges = [
        {number: fit for number, fit in each.items() if fit < BLURRED and candidates[number].at is not None}
        for each in possible
    ]
    bearers = _bearers(rows, possible)
    unreadable = [each for each, content in zip(candidates, contents, strict=True) if content is None]
    result = Matching([], [], [], [], {})
    for group in _groups(edges):
        pairs = _pair(group, edges)
        alone = [row for row in group if row not in pairs]
        is_mixed = len({_content_of(rows[row]) for row in group}) > 1
        # Rows with the same content are interchangeable. Other rows are decided only if all of them are explained.
        if (alone and is_mixed) or _is_contested(group, edges, bearers):
            result.unclear.extend(rows[row] for row in group)
            result.why.update((rows[row].id, CONTESTED) for row in group)
            continue
        result.started.extend((rows[row], found[candidate]) for row, candidate in pairs.items())
        surplus = {candidate for row in group for candidate in edges[row]}.difference(pairs.values())
        result.elsewhere.extend(found[candidate] for candidate in sorted(surplus))
        for row in alone:
            # An execution without a match may still be the row's: in another form, or with an input or a time that is
            # unreadable.
            others = possible[row].keys() - edges[row].keys()
            blurred = [contents[number] for number in others if possible[row][number] == BLURRED]
            if others or any(_is_possible(each, windows[row]) for each in unreadable):
                result.unclear.append(rows[row])
                result.why[rows[row].id] = _why(rows[row], blurred) if blurred else UNREADABLE
            else:
                result.absent.append(rows[row])
    touched = {number for row_fits in fits for number in row_fits}
    result.elsewhere.extend(found[number] for number in sorted(touched) if candidates[number].is_event)
    return result


def _in_time(fits: Mapping[int, int], candidates: Sequence[Execution], within: Window) -> dict[int, int]:
    return {number: fit for number, fit in fits.items() if _is_possible(candidates[number], within)}


def _content_of(row: Unsettled) -> Sent:
    return row.bucket, row.object, row.inputs


def _bearers(rows: Sequence[Unsettled], possible: Sequence[Mapping[int, int]]) -> Mapping[int, set[Sent]]:
    """Return for each candidate the contents of the rows that it may belong to."""
    bearers: dict[int, set[Sent]] = {}
    for row, fits in zip(rows, possible, strict=True):
        for candidate in fits:
            bearers.setdefault(candidate, set()).add(_content_of(row))
    return bearers


def _is_contested(
    group: Sequence[int], edges: Sequence[Mapping[int, int]], bearers: Mapping[int, AbstractSet[Sent]]
) -> bool:
    """Return whether a group has an execution in another form, and not exactly one execution for each of its rows.

    A form may show two contents alike. So no row of another content may be shown like those of the group.
    """
    if all(fit < IN_FORM for row in group for fit in edges[row].values()):
        return False
    candidates = {candidate for row in group for candidate in edges[row]}
    return len(candidates) != len(group) or len(set().union(*(bearers[each] for each in candidates))) > 1


def _why(row: Unsettled, blurred: Sequence[Contents]) -> str:
    """Return how an execution differs that may be the row's: the one that differs least."""
    alike = [each for contents in blurred for each in contents or () if likeness(row, each) is not None]
    found = sorted((differences(row, content) for content in alike), key=len)
    return f"has {', '.join(found[0]) or 'the content in another form'}"


def _fits(
    rows: Sequence[Unsettled], candidates: Sequence[Execution], contents: Sequence[Contents], known: Known
) -> list[dict[int, int]]:
    """Return for each row the candidates whose content fits it, regardless of time, with their likeness.

    An execution whose time is not known fits no row in another form: it may be one of an earlier job.
    """
    numbers_at: dict[str, set[int]] = {}
    lengths: set[int] = set()
    for number, found in enumerate(contents):
        for content in found or ():
            lengths |= cuts(content.object)
            for where in places(content.object):
                numbers_at.setdefault(where, set()).add(number)
    fits: list[dict[int, int]] = []
    for row in rows:
        near = {number for where in places_of(row.object, lengths) for number in numbers_at.get(where, ())}
        shown = known.shown if row.id in known.proven else None
        found_fits = {
            number: _fit(row, contents[number], None if candidates[number].at is None else shown)
            for number in sorted(near)
        }
        fits.append({number: fit for number, fit in found_fits.items() if fit is not None})
    return fits


def _without_taken(
    fits: Sequence[Mapping[int, int]], candidates: Sequence[Execution], windows: Sequence[Window]
) -> list[dict[int, int]]:
    """Leave an execution that has exactly the content of a row, and a time of it, to such rows alone."""
    taken = {
        number
        for row_fits, within in zip(fits, windows, strict=True)
        for number, fit in row_fits.items()
        if fit == 0 and _is_possible(candidates[number], within)
    }
    return [{number: fit for number, fit in each.items() if fit == 0 or number not in taken} for each in fits]


def _fit(row: Unsettled, contents: Contents, shown: Shown | None) -> int | None:
    fits = [fit for content in contents or () if (fit := likeness(row, content)) is not None]
    best = min(fits, default=None)
    if best is None or best < AS_TEXT or shown is None:
        return best
    sent = sent_of(row)
    if best == BLURRED:
        return IN_FORM if any(shown.fits(sent, content) for content in contents or ()) else BLURRED
    # Where numbers are shown as they were sent, a text that looks like one is another client's.
    return BLURRED if all(shown.separates(sent.inputs, content.inputs) for content in contents or ()) else best


def _is_possible(candidate: Execution, within: Window) -> bool:
    return not candidate.is_event and is_within(candidate.at, [within])


def _is_certain(candidate: Execution, within: Window) -> bool:
    return candidate.at is not None and _is_possible(candidate, within)


def _groups(edges: Sequence[Mapping[int, int]]) -> list[list[int]]:
    """Group rows that share a possible candidate."""
    rows_of: dict[int, list[int]] = {}
    for row, fits in enumerate(edges):
        for candidate in fits:
            rows_of.setdefault(candidate, []).append(row)
    groups: list[list[int]] = []
    seen: set[int] = set()
    for first in range(len(edges)):
        if first in seen:
            continue
        seen.add(first)
        group = [first]
        for row in group:
            for candidate in edges[row]:
                fresh = [other for other in rows_of.pop(candidate, ()) if other not in seen]
                seen.update(fresh)
                group.extend(fresh)
        groups.append(group)
    return groups


def _pair(group: Sequence[int], edges: Sequence[Mapping[int, int]]) -> dict[int, int]:
    """Pair as many rows of a group with candidates as possible, best fits first (augmenting paths)."""
    row_of: dict[int, int] = {}
    candidate_of: dict[int, int] = {}
    settled: set[int] = set()
    """Candidates that an earlier search has found to stay with their rows."""
    for first in sorted(group, key=lambda row: min(edges[row].values(), default=0)):
        asked_by: dict[int, int] = {}
        free = _find_free(first, edges, row_of, asked_by, settled)
        if free is None:
            settled.update(asked_by)
        else:
            _hand_over(first, free, asked_by, row_of, candidate_of)
    return candidate_of


def _find_free(
    first: int,
    edges: Sequence[Mapping[int, int]],
    row_of: Mapping[int, int],
    asked_by: dict[int, int],
    settled: AbstractSet[int],
) -> int | None:
    """Find a candidate for a row, if necessary by asking other rows for theirs. `asked_by` records which row asked."""
    asking = [first]
    for row in asking:
        fits = edges[row]
        for candidate in sorted(fits.keys() - asked_by.keys() - settled, key=lambda each: (fits[each], each)):
            asked_by[candidate] = row
            if candidate not in row_of:
                return candidate
            asking.append(row_of[candidate])
    return None


def _hand_over(
    first: int, free: int, asked_by: Mapping[int, int], row_of: dict[int, int], candidate_of: dict[int, int]
) -> None:
    """Give a free candidate to the row that asked for it, that row's candidate to the row that asked for that, etc."""
    candidate: int | None = free
    while candidate is not None:
        row = asked_by[candidate]
        given_up = candidate_of.get(row) if row != first else None
        row_of[candidate], candidate_of[row] = row, candidate
        candidate = given_up
