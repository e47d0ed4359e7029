"""Walks over the list of a bucket, page by page or prefixes side by side. Every page is paced, retried and judged.

Pages are handed on in the order of their keys, however many are asked for at a time, so one marker is all that is
needed to continue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from batcher.errors import JobError
from batcher.flow.bucket_questions import Questions
from batcher.model import Answer
from batcher.rules.bucket import refusals
from batcher.rules.bucket.host import MOST_KEYS, Asked, BucketHost
from batcher.rules.bucket.page import ObjectPage, read_object_page
from batcher.rules.bucket.progress import fault_of, next_marker

AHEAD = 4
"""The most pages of a prefix that are held until those before them are written."""

Take = Callable[[ObjectPage, str], Awaitable[None]]
"""Takes the next page, with the marker behind it."""


_Pages = asyncio.Queue[tuple[ObjectPage, str] | None]


class _Group(NamedTuple):
    """What begins with one prefix: its pages, and None after the last that there will be."""

    pages: _Pages
    listing: asyncio.Task[bool]
    """Returns whether the pages are all there are."""


_Groups = asyncio.Queue[ObjectPage | _Group | None]
"""What comes next in the order of keys: objects of no group, or a group. None after the last."""


class _StoppedError(Exception):
    """The drain has begun. It ends the tasks that list groups."""


@dataclass(slots=True)
class ObjectWalk:
    """The list of one bucket."""

    questions: Questions
    host: BucketHost
    side_by_side: int = 1
    """The most prefixes to list at a time."""

    async def walk(self, prefix: str, marker: str, delimiter: str, take: Take) -> bool:
        """Hand on every object after `marker`, in the order of keys. Return False if the drain began before the end.

        With a delimiter, the groups that it makes are listed side by side. Raises JobError for an answer that ends the
        listing, and what `take` raises.
        """
        if not delimiter:
            return await self._straight(Asked(prefix, marker), take)
        try:
            async with asyncio.TaskGroup() as tasks:
                groups: _Groups = asyncio.Queue(self.side_by_side)
                found = tasks.create_task(self._find(Asked(prefix, marker, delimiter), groups, tasks))
                await _in_order(groups, take)
                if not await found:
                    raise _StoppedError
        except BaseExceptionGroup as errors:
            # One is enough: the others are of the same service.
            error = min(errors.exceptions, key=lambda each: isinstance(each, _StoppedError))
            if not isinstance(error, _StoppedError):
                raise error from None
            return False
        return True

    async def _straight(self, asked: Asked, take: Take) -> bool:
        """Hand on every page of a question. Return whether all were."""
        while True:
            page = await self._page(asked)
            if page is None:
                return False
            marker = next_marker(page, asked)
            await take(page, marker or asked.marker)
            if not page.is_truncated:
                return True
            asked = asked._replace(marker=marker)

    async def _page(self, asked: Asked) -> ObjectPage | None:
        """Ask for a page until it is there. Return None if the drain begins first."""
        most = MOST_KEYS
        while True:
            answer = await self.questions.ask(self.host.list_call(asked, most), read_object_page, self._refused)
            if answer is None or answer.noun is not None:
                break
            if most == 1:
                raise refusals.misled(self.host.bucket, "an entry of it is too large to be read")
            most //= 2
        if answer is None or answer.noun is None:
            return None
        fault = fault_of(answer.noun, asked)
        if fault is not None:
            raise refusals.misled(self.host.bucket, fault)
        return answer.noun

    def _refused(self, answer: Answer) -> JobError:
        return refusals.refused(answer, self.host.bucket, self.host.origin)

    async def _find(self, asked: Asked, groups: _Groups, tasks: asyncio.TaskGroup) -> bool:
        """Find the groups of keys behind a marker, and begin to list each. Return whether all were found."""

        async def begin(prefix: str, marker: str = "") -> None:
            pages: _Pages = asyncio.Queue(AHEAD)
            listing = tasks.create_task(self._fill(Asked(prefix, marker), pages))
            await groups.put(_Group(pages, listing))

        async def hand_on(page: ObjectPage, _: str) -> None:
            for each in page.parted():
                await (begin(each) if isinstance(each, str) else groups.put(each))

        prefix, marker, delimiter = asked
        head, is_within, _ = marker.removeprefix(prefix).partition(delimiter)
        if is_within:
            # The group of the marker may not be listed to its end.
            group = prefix + head + delimiter
            await begin(group, marker)
            asked = asked._replace(marker=group)
        is_whole = await self._straight(asked, hand_on)
        await groups.put(None)
        return is_whole

    async def _fill(self, asked: Asked, pages: _Pages) -> bool:
        async def put(page: ObjectPage, marker: str) -> None:
            await pages.put((page, marker))

        is_whole = await self._straight(asked, put)
        await pages.put(None)
        return is_whole


async def _in_order(groups: _Groups, take: Take) -> None:
    """Hand on all pages, one group after the other. Stops at the first gap, so that nothing behind it is taken."""
    while (group := await groups.get()) is not None:
        if isinstance(group, ObjectPage):
            await take(group, group.keys[-1])
            continue
        while (entry := await group.pages.get()) is not None:
            await take(*entry)
        if not await group.listing:
            raise _StoppedError
