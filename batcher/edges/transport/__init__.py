"""The HTTP edge: sends a request exactly once, and returns a Reply or the reason why there is none.

Only this package depends on aiohttp. `session` sends any request. `kept` sends starts on connections that it keeps, at
a fraction of the cost; each of them is a `wire`, and `heads` reads most of their answers. `losses` says what an
exception of aiohttp means.
"""

import os

from batcher.edges.transport.trust import check_key_log

# aiohttp makes its TLS contexts when it is imported, and each opens the log of keys.
check_key_log(os.environ)

from batcher.edges.transport.body import MOST_BYTES  # noqa: E402
from batcher.edges.transport.kept import CONNECT_SECONDS, IDLE_SECONDS  # noqa: E402
from batcher.edges.transport.meanings import MEANINGS, meaning_of  # noqa: E402
from batcher.edges.transport.session import Transport, connect, proxy_to  # noqa: E402

__all__ = [
    "CONNECT_SECONDS",
    "IDLE_SECONDS",
    "MEANINGS",
    "MOST_BYTES",
    "Transport",
    "connect",
    "meaning_of",
    "proxy_to",
]
