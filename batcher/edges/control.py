"""The control socket: how another process of the same user talks to a running job.

A question is a JSON line, and so is its answer. The socket is beside the checkpoint; the run that holds that owns it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import cast

import orjson

from batcher.model import Json

MOST_BYTES = 4096
"""The longest question."""
SECONDS = 5.0
"""How long either side waits for the other."""

_LONGEST_ADDRESS = 100
"""Bytes of a socket's address that every system accepts."""

Answering = Callable[[Mapping[str, Json]], Mapping[str, Json]]
"""Answers a question at once."""


def socket_path(checkpoint: Path) -> Path:
    """Give the path of a checkpoint's control socket, one for all names that lead to the checkpoint."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".socket")


@asynccontextmanager
async def listening(checkpoint: Path, answer: Answering) -> AsyncIterator[str]:
    """Answer the questions that come to a checkpoint's socket. Gives what prevents that, "" where nothing does.

    Only the run that holds the checkpoint may do this: it replaces the socket that a killed run has left behind.
    """
    path = socket_path(checkpoint)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_unix_server(lambda: _Conversation(answer), sock=_bound(path))
    except OSError as error:
        yield f"{path}: {error.strerror or error}"
        return
    try:
        yield ""
    finally:
        # The server looks for its socket at the address that it was bound to, and that of a long path was temporary.
        with suppress(OSError):
            server.close()
        with suppress(OSError):
            path.unlink()


def ask(checkpoint: Path, question: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Ask the run that holds a checkpoint; None where no run answers. Blocks for SECONDS at most."""
    with socket.socket(socket.AF_UNIX) as asking, suppress(OSError, orjson.JSONDecodeError):
        asking.settimeout(SECONDS)
        with _address(socket_path(checkpoint)) as address:
            asking.connect(address)
        asking.sendall(orjson.dumps(question, option=orjson.OPT_APPEND_NEWLINE))
        with asking.makefile("rb") as answers:
            answer = orjson.loads(answers.readline())
        return answer if isinstance(answer, dict) else None
    return None


def _bound(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX)
    try:
        with _address(path) as address:
            bound.bind(address)
            # No other process can connect yet: the socket does not listen.
            os.chmod(address, 0o600)  # noqa: PTH101 - the address may be longer than it looks
    except BaseException:
        bound.close()
        raise
    return bound


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Give an address for a socket at this path. A long path goes through its folder, where the system allows that."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Conversation(asyncio.Protocol):
    """One question and its answer."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._patience = asyncio.get_running_loop().call_later(SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._asked += data
        if b"\n" not in self._asked and len(self._asked) <= MOST_BYTES:
            return
        try:
            question = orjson.loads(self._asked[:MOST_BYTES])
        except orjson.JSONDecodeError:
            question = None
        answer = self._answer(question) if isinstance(question, dict) else {"error": "the question is not JSON"}
        self._transport.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
        self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._patience.cancel()
