"""The first peer: aiohttp's `ClientSession.post` in a bare loop on uvloop. It signs nothing and stores nothing.

`python bare_loop.py URL ROWS CONNECTIONS` prints the number of requests answered with 200.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import aiohttp
import uvloop
from workload import PATH, body

HEADERS = {"Content-Type": "application/json"}


async def start_all(url: str, rows: int, connections: int) -> int:
    """Send one request per row. Return the number of answers with status 200."""
    numbers = iter(range(rows))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        return sum(await asyncio.gather(*(_worker(session, url + PATH, numbers) for _ in range(connections))))


async def _worker(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> int:
    answered = 0
    for number in numbers:
        async with session.post(url, data=body(number), headers=HEADERS) as response:
            await response.read()
            answered += response.status == 200
    return answered


if __name__ == "__main__":
    print(uvloop.run(start_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
