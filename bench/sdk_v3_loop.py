"""The third peer: the official v3 SDK, with one client shared by a pool of threads.

`python sdk_v3_loop.py URL ROWS THREADS` prints the number of requests that were answered with an execution's name.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# The SDK writes into the home folder when it is imported.
os.environ["HOME"] = tempfile.mkdtemp(prefix="batcher-bench-home-")

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkdwr.v3 import AsyncInvokeApiStartWorkflowRequest, DwrClient, ExecuteWorkflowBody
from workload import BUCKET, KEYS, V3_PROJECT, WORKFLOW, object_key


def start_all(url: str, rows: int, threads: int) -> int:
    """Send one request per row. Return the number of answers that name an execution."""
    config = HttpConfig.get_default_config()
    config.retry_times = 0
    keys = BasicCredentials(KEYS["OBS_ACCESS_KEY_ID"], KEYS["OBS_SECRET_ACCESS_KEY"], V3_PROJECT)
    client = DwrClient.new_builder().with_http_config(config).with_credentials(keys).with_endpoint(url).build()

    def start_share(first: int) -> int:
        bodies = (
            ExecuteWorkflowBody(bucket=BUCKET, object=object_key(number)) for number in range(first, rows, threads)
        )
        requests = (AsyncInvokeApiStartWorkflowRequest(WORKFLOW, body) for body in bodies)
        return sum(bool(client.async_invoke_api_start_workflow(request).execution_name) for request in requests)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(start_share, range(threads)))


if __name__ == "__main__":
    print(start_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
