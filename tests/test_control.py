"""The control socket: who may ask, what comes back, and what is left behind."""

import asyncio
import json
import socket
import stat
from contextlib import AsyncExitStack

import pytest

from batcher.edges.control import MOST_BYTES, ask, listening, socket_path


def echo(question):
    return {"asked": question}


async def asked(checkpoint, question):
    return await asyncio.to_thread(ask, checkpoint, question)


async def test_a_question_is_answered(tmp_path):
    checkpoint = tmp_path / "job.checkpoint"
    async with listening(checkpoint, echo) as fault:
        assert fault == ""
        assert await asked(checkpoint, {"do": "rate", "value": 5}) == {"asked": {"do": "rate", "value": 5}}
        assert await asked(checkpoint, {"do": "pause"}) == {"asked": {"do": "pause"}}


async def test_only_its_owner_may_ask(tmp_path):
    checkpoint = tmp_path / "job.checkpoint"
    async with listening(checkpoint, echo):
        mode = socket_path(checkpoint).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600


async def test_the_socket_goes_with_the_run_and_then_nobody_answers(tmp_path):
    checkpoint = tmp_path / "job.checkpoint"
    assert await asked(checkpoint, {}) is None
    async with listening(checkpoint, echo):
        pass
    assert list(tmp_path.iterdir()) == []
    assert await asked(checkpoint, {}) is None


async def test_a_socket_that_a_killed_run_has_left_is_replaced(tmp_path):
    checkpoint = tmp_path / "job.checkpoint"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(checkpoint)))
    assert await asked(checkpoint, {}) is None
    async with listening(checkpoint, echo) as fault:
        assert fault == ""
        assert await asked(checkpoint, {}) == {"asked": {}}


def deep_down(folder):
    deep = folder.joinpath(*["a folder of forty characters, or about so"] * 6)
    deep.mkdir(parents=True)
    return deep / "job.checkpoint"


async def test_a_checkpoint_deep_down_can_be_asked_too(tmp_path):
    checkpoint = deep_down(tmp_path)
    async with listening(checkpoint, echo) as fault:
        assert fault == ""
        assert await asked(checkpoint, {"do": "look"}) == {"asked": {"do": "look"}}


async def test_a_socket_deep_down_goes_with_the_run_whatever_was_opened_meanwhile(tmp_path):
    checkpoint = deep_down(tmp_path)
    async with AsyncExitStack() as stack:
        assert await stack.enter_async_context(listening(checkpoint, echo)) == ""
        # takes the number that the folder's descriptor had
        with (tmp_path / "another file").open("w"):
            await stack.aclose()
    assert not socket_path(checkpoint).exists()


async def test_where_no_socket_can_be_the_reason_is_given(tmp_path):
    async with listening(tmp_path / "gone" / "job.checkpoint", echo) as fault:
        assert fault.endswith("job.checkpoint.socket: No such file or directory")


@pytest.mark.parametrize("text", [b"\n", b"[]\n", b"rate 5\n", b"{" * (MOST_BYTES + 1), b"\xff\n"])
async def test_what_is_no_question_is_told_so(tmp_path, text):
    checkpoint = tmp_path / "job.checkpoint"
    async with listening(checkpoint, echo):
        reader, writer = await asyncio.open_unix_connection(str(socket_path(checkpoint)))
        writer.write(text)
        assert json.loads(await reader.readline()) == {"error": "the request is not JSON"}
        writer.close()
        await writer.wait_closed()


async def test_a_question_that_comes_in_pieces_is_answered(tmp_path):
    checkpoint = tmp_path / "job.checkpoint"
    async with listening(checkpoint, echo):
        reader, writer = await asyncio.open_unix_connection(str(socket_path(checkpoint)))
        for piece in (b'{"do"', b':"look"}', b"\n"):
            writer.write(piece)
            await writer.drain()
        assert json.loads(await reader.readline()) == {"asked": {"do": "look"}}
        writer.close()
        await writer.wait_closed()
