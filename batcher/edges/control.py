"""The control socket: lets another process of the same user control a running job.

A request is a JSON line, and so is its answer. The socket is beside the checkpoint and belongs to the run that has
locked the checkpoint.
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

MOST_BYTES = 16 * 1024
"""Maximum length of a request. The longest are those of workers, with the counts of their attempts."""
SECONDS = 5.0
"""Maximum time that either side waits for the other."""

_LONGEST_ADDRESS = 100
"""Maximum length of a socket's address, in bytes, that every system accepts."""

Answering = Callable[[Mapping[str, Json]], Mapping[str, Json]]
"""Returns the answer to a request, without waiting."""


def socket_path(checkpoint: Path) -> Path:
    """Return the path of a checkpoint's control socket. Symbolic links to the checkpoint lead to the same socket."""
    real = Path(os.path.realpath(checkpoint))
    return real.with_name(real.name + ".socket")


@asynccontextmanager
async def listening(checkpoint: Path, answer: Answering) -> AsyncIterator[str]:
    """Answer requests on a checkpoint's socket during the block. Yields an error message, "" if there is none.

    Only the run that has locked the checkpoint may call this: it replaces a socket left by a killed run.
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
        # The server looks for its socket at its bound address, which was temporary if the path is long.
        with suppress(OSError):
            server.close()
        with suppress(OSError):
            path.unlink()


def ask(checkpoint: Path, question: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Send a request to the run that has locked a checkpoint. Returns None if no run answers within SECONDS."""
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
            # No other process can connect before this: the socket is not listening yet.
            os.chmod(address, 0o600)  # noqa: PTH101 - the address may be longer than it looks
    except BaseException:
        bound.close()
        raise
    return bound


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield an address for a socket at this path. A long path is shortened through /proc, if the system has it."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Conversation(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._timeout = asyncio.get_running_loop().call_later(SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._asked += data
        if b"\n" not in self._asked and len(self._asked) <= MOST_BYTES:
            return
        try:
            question = orjson.loads(self._asked[:MOST_BYTES])
        except orjson.JSONDecodeError:
            question = None
        answer = self._answer(question) if isinstance(question, dict) else {"error": "the request is not JSON"}
        self._transport.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
        self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._timeout.cancel()
