"""The service's v2 dialect: paths, queries and signed headers of the workflow calls, each answered by an Answer.

The calls are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0123.html (get a workflow) and obs_04_0127
to obs_04_0130 (start, list, get and restore executions).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from urllib.parse import quote

from batcher.model import Answer, Credentials, Lost, Reply
from batcher.rules.answers import read
from batcher.rules.dates import posix_of_header
from batcher.rules.signing import signed_headers, wire_query

Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply | Lost]]
"""Sends method, target, headers and body once, and says what came of it."""

Use = Callable[[Callable[[Credentials], Awaitable[Answer]]], Awaitable[Answer]]
"""Lends credentials to a request, and again to the same request where the service has refused the first ones."""

QUICK = 2.0
"""Seconds within which an answer's date is taken for the time of its arrival."""

EXECUTIONS = "/v2/workflowexecutions"


class ObsV2:
    """One workflow, as the OBS v2 interface offers it.

    `use` lends each request its credentials. `workflow` is a valid workflow name, which needs no encoding. `clock`
    gives POSIX time in seconds.
    """

    def __init__(self, send: Send, use: Use, workflow: str, clock: Callable[[], float] = time.time) -> None:
        self.clock_offset: float | None = None
        """The service's clock less this machine's, in seconds, as far as answers have told."""
        self._date = ""
        self._send = send
        self._use = use
        self._clock = clock
        self._path = f"/v2/workflows/{workflow}"
        self._of_workflow = ("x-workflow-graph-name", workflow)
        # The signature does not cover the body: the starts of one second and of the same keys share theirs.
        self._sign = lru_cache(maxsize=1)(signed_headers)

    async def start(self, body: bytes) -> Answer:
        """Ask for one execution. `body` is the JSON object of bucket, object and inputs. There is no second guess."""
        # Never a query here: with one, the same method and path creates a workflow.
        return await self._call("POST", self._path, body=body)

    async def get_workflow(self) -> Answer:
        """Ask how the workflow is defined. Without side effect."""
        return await self._call("GET", self._path)

    async def list_executions(self, marker: str = "", limit: int = 1000, execution_type: str = "") -> Answer:
        """Ask for one page of the workflow's executions, at most 1000, in no order of time.

        `marker` is the `next_marker` of the page before, `execution_type` the service's word for how they were started.
        """
        optional = (("x-workflow-next-marker", marker), ("x-workflow-execution-type", execution_type))
        query = (self._of_workflow, ("x-workflow-limit", str(limit)), *(pair for pair in optional if pair[1]))
        return await self._call("GET", EXECUTIONS, query)

    async def get_execution(self, name: str) -> Answer:
        """Ask for one execution of the workflow, with the text that it was started with."""
        return await self._call("GET", f"{EXECUTIONS}/{quote(name, safe='')}", (self._of_workflow,))

    async def restore(self, name: str) -> Answer:
        """Ask for a failed execution to go on from the step that failed."""
        return await self._call("PUT", f"{EXECUTIONS}/{quote(name, safe='')}", (self._of_workflow,))

    async def _call(
        self, method: str, path: str, query: tuple[tuple[str, str], ...] = (), body: bytes | None = None
    ) -> Answer:
        return await self._use(partial(self._ask, method, path, query, body))

    async def _ask(
        self, method: str, path: str, query: tuple[tuple[str, str], ...], body: bytes | None, credentials: Credentials
    ) -> Answer:
        headers = self._sign(credentials, method, path, query, now=int(self._clock()))
        sent = self._clock()
        answer = read(await self._send(method, path + wire_query(query), headers, body))
        if answer.date != self._date:
            self._learn(answer.date, sent)
        return answer

    def _learn(self, date: str, sent: float) -> None:
        """Compare clocks by an answer's date, if it came quickly enough to tell."""
        self._date = date
        received, served = self._clock(), posix_of_header(date)
        if served is not None and received - sent < QUICK:
            self.clock_offset = served - received
