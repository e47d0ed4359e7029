"""The second peer: the official SDK, with one client shared by a pool of threads.

`python sdk_loop.py URL ROWS THREADS [kept]` prints the number of requests answered with 200. By default the SDK opens
a connection for each request; with `kept` it is configured to keep them.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from obs import WorkflowClient
from workload import BUCKET, KEYS, WORKFLOW, object_key


def start_all(url: str, rows: int, threads: int, *, kept: bool) -> int:
    """Send one request per row. Return the number of answers with status 200."""
    client = WorkflowClient(
        access_key_id=KEYS["OBS_ACCESS_KEY_ID"],
        secret_access_key=KEYS["OBS_SECRET_ACCESS_KEY"],
        server=url,
        long_conn_mode=kept,
        max_retry_count=0,
    )

    def start_share(first: int) -> int:
        answers = (
            client.asyncAPIStartWorkflow(WORKFLOW, BUCKET, object_key(number)) for number in range(first, rows, threads)
        )
        return sum(answer.status == 200 for answer in answers)

    try:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(start_share, range(threads)))
    finally:
        client.close()


if __name__ == "__main__":
    print(start_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), kept=sys.argv[4:] == ["kept"]))
