"""Reading ahead in a thread of its own."""

import os
import threading

import pytest

from batcher.edges.read_ahead import read_ahead


async def test_every_block_arrives_in_order():
    assert [block async for block in read_ahead(iter(range(100)))] == list(range(100))


async def test_what_the_blocks_raise_is_raised_after_the_blocks_before_it():
    def broken():
        yield 1
        raise ValueError("line 2 is broken")

    seen = []
    with pytest.raises(ValueError, match="line 2 is broken"):  # noqa: PT012 - the loop is what raises
        async for block in read_ahead(broken()):
            seen.append(block)  # noqa: PERF401 - what came before the error is what is asserted
    assert seen == [1]


async def test_it_reads_no_further_ahead_than_it_may():
    taken, enough = [], threading.Event()

    def endless():
        for number in range(1_000_000):
            taken.append(number)
            if number == 4:
                enough.set()
            yield number

    blocks = read_ahead(endless(), most=2)
    assert [await anext(blocks) for _ in range(2)] == [0, 1]
    await blocks.aclose()
    # two handed out, two ahead of them, and one that waits at the door
    assert len(taken) <= 6


async def test_a_silent_pipe_does_not_keep_the_reader():
    read_end, write_end = os.pipe()

    def lines():
        while chunk := os.read(read_end, 100):
            yield chunk

    blocks = read_ahead(lines())
    os.write(write_end, b"first")
    assert await anext(blocks) == b"first"
    await blocks.aclose()
    os.close(write_end)
