"""What is admitted goes out in its order, each to one worker."""

import asyncio

from batcher.flow.queues import Handout


async def waiting(handout):
    """Let somebody wait for an item."""
    task = asyncio.create_task(handout.take())
    await asyncio.sleep(0)
    return task


async def test_items_go_out_in_their_order():
    handout = Handout()
    handout.put("ab")
    handout.put("c")
    assert [await handout.take() for _ in range(3)] == ["a", "b", "c"]


async def test_those_who_wait_get_one_item_each_and_the_first_come_first():
    handout = Handout()
    workers = [await waiting(handout) for _ in range(3)]
    handout.put("ab")
    assert await asyncio.gather(*workers[:2]) == ["a", "b"]
    assert not workers[2].done()
    handout.put("c")
    assert await workers[2] == "c"


async def test_whoever_comes_later_takes_nothing_from_one_who_waits():
    handout = Handout()
    first = await waiting(handout)
    handout.put("a")
    later = await waiting(handout)
    assert await first == "a"
    assert not later.done()
    handout.put("b")
    assert await later == "b"


async def test_a_worker_that_is_cancelled_takes_nothing_with_it():
    handout = Handout()
    cancelled, other = await waiting(handout), await waiting(handout)
    cancelled.cancel()
    await asyncio.sleep(0)
    handout.put("a")
    assert await other == "a"


async def test_a_worker_that_is_cancelled_when_it_was_woken_leaves_its_item_to_the_next():
    handout = Handout()
    woken, other = await waiting(handout), await waiting(handout)
    handout.put("a")
    woken.cancel()
    assert await other == "a"


async def test_after_the_close_comes_the_rest_and_then_nothing():
    handout = Handout()
    handout.put("ab")
    handout.close()
    assert [await handout.take() for _ in range(4)] == ["a", "b", None, None]


async def test_the_close_ends_every_wait():
    handout = Handout()
    workers = [await waiting(handout) for _ in range(3)]
    handout.close()
    assert await asyncio.gather(*workers) == [None] * 3
