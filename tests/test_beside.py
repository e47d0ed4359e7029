"""A task beside a block has ended when the block has, whatever it awaits."""

import asyncio

import pytest

from batcher.errors import ExitCode
from batcher.flow.beside import beside
from batcher.flow.drain import Drain


async def test_a_task_ends_with_its_block_also_if_the_drain_begins_in_the_same_moment():
    drain = Drain()
    began = asyncio.Event()

    async def goes_on_after_the_drain():
        began.set()
        await drain.sleep(60.0)
        await asyncio.Event().wait()

    async with asyncio.timeout(30.0):
        async with beside(goes_on_after_the_drain(), "work"):
            await began.wait()
            drain.begin(ExitCode.STOPPED)


async def test_a_pause_that_is_cancelled_as_the_drain_begins_is_cancelled():
    drain = Drain()
    pausing = asyncio.ensure_future(drain.sleep(60.0))
    await asyncio.sleep(0)
    drain.begin(ExitCode.STOPPED)
    pausing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pausing


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    swallowed = []

    async def swallows_the_first():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.append(True)
        await asyncio.Event().wait()

    async with beside(swallows_the_first(), "work"):
        await asyncio.sleep(0)
    assert swallowed == [True]


async def test_the_error_of_a_task_is_raised_at_the_end_of_its_block():
    reached = []

    async def fails():
        raise ZeroDivisionError

    async def block():
        async with beside(fails(), "work"):
            await asyncio.sleep(0)
            reached.append("the end")

    with pytest.raises(ZeroDivisionError):
        await block()
    assert reached == ["the end"]
