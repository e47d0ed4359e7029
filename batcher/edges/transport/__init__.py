"""The HTTP edge: sends a request exactly once, and returns a Reply or the reason why there is none.

Only this package depends on aiohttp. `session` sends any request. `kept` sends starts on connections that it keeps, at
a fraction of the cost; each of them is a `wire`. `losses` says what an exception of aiohttp means.
"""

from batcher.edges.transport.body import MOST_BYTES
from batcher.edges.transport.kept import CONNECT_SECONDS, IDLE_SECONDS
from batcher.edges.transport.meanings import MEANINGS, meaning_of
from batcher.edges.transport.session import Transport, connect

__all__ = ["CONNECT_SECONDS", "IDLE_SECONDS", "MEANINGS", "MOST_BYTES", "Transport", "connect", "meaning_of"]
