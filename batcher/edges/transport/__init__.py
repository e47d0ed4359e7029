"""The HTTP edge: a request goes out exactly once, and comes back as a Reply or as the reason why there is none.

All that the project knows of aiohttp stands here: `session` sends any request, `kept` sends starts on connections that
it keeps, at a fraction of the cost, each of them a `wire`; `parsing` reads the answers, and `losses` says what an
exception of aiohttp means.
"""

from batcher.edges.transport.body import MOST_BYTES
from batcher.edges.transport.kept import CONNECT_SECONDS, IDLE_SECONDS
from batcher.edges.transport.meanings import MEANINGS, meaning_of
from batcher.edges.transport.session import Transport, connect

__all__ = ["CONNECT_SECONDS", "IDLE_SECONDS", "MEANINGS", "MOST_BYTES", "Transport", "connect", "meaning_of"]
