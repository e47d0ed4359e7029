"""What ends is passed on in groups: full ones at once, others after a moment."""

import asyncio

from batcher.flow.queues import Gathering


async def test_a_group_is_passed_on_as_soon_as_it_is_full():
    gathering = Gathering(enough=3)
    taking = asyncio.create_task(gathering.take())
    for item in "abc":
        gathering.put(item)
    assert await taking == ["a", "b", "c"]


async def test_a_group_that_does_not_fill_is_passed_on_all_the_same():
    gathering = Gathering(enough=1000)
    gathering.put("a")
    assert await gathering.take() == ["a"]


async def test_what_comes_while_nobody_takes_is_one_group():
    gathering = Gathering(enough=2)
    for item in range(7):
        gathering.put(item)
    assert await gathering.take() == list(range(7))


async def test_after_the_close_comes_the_rest_and_then_nothing():
    gathering = Gathering(enough=1000)
    gathering.put("a")
    gathering.close()
    assert [await gathering.take() for _ in range(3)] == [["a"], [], []]


async def test_the_close_ends_a_wait():
    gathering = Gathering(enough=2)
    taking = asyncio.create_task(gathering.take())
    await asyncio.sleep(0)
    gathering.close()
    assert await taking == []
