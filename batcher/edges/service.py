"""The service's v2 dialect: paths, queries and signed headers of the workflow calls, and the time that answers tell.

The calls are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0123.html (get a workflow) and obs_04_0127
to obs_04_0130 (start, list, get and restore executions).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import quote

from batcher.model import Answer, Credentials, Lost, Reply
from batcher.rules.service import verdicts
from batcher.rules.service.answers import read
from batcher.rules.service.clock import Lead, lead, posix_of_header
from batcher.rules.service.signing import signed_headers, wire_query

Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply | Lost]]
"""Sends method, target, headers and body once, and says what came of it."""

Use = Callable[..., Awaitable[Answer]]
"""Calls with credentials and all that is given besides, and once more where the service has refused the first ones."""

NOTABLE = 60.0
"""Seconds by which this machine's clock must be off to be the reason why the service refuses a request's date."""

EXECUTIONS = "/v2/workflowexecutions"


steady = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Gives the seconds since some instant of the past.

By the clock that nobody can set and that goes on while the machine sleeps: on Linux the one, on macOS the other.
"""


class ObsV2:
    """One workflow, as the OBS v2 interface offers it.

    `use` lends each request its credentials. `workflow` is a valid workflow name, which needs no encoding. `warn` takes
    a sentence for people. `clock` gives this machine's POSIX time, `steady` the time of a clock that nobody can set,
    both in seconds.
    """

    def __init__(  # noqa: PLR0913 - time comes in as an argument, of two clocks
        self,
        send: Send,
        use: Use,
        workflow: str,
        warn: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady,
    ) -> None:
        self._date = ""
        self._lead: Lead | None = None
        self._has_warned = False
        self._send = send
        self._use = use
        self._warn = warn
        self._clock = clock
        self._steady = steady
        self._path = f"/v2/workflows/{workflow}"
        self._of_workflow = ("x-workflow-graph-name", workflow)
        self._signed_of: tuple[object, ...] = ()
        self._signed: Mapping[str, str] = {}

    def now(self) -> float:
        """Give the service's time in POSIX seconds, or somewhat earlier; 0 while no answer has told it."""
        return 0.0 if self._lead is None else self._steady() + self._lead.seconds

    def start(self, body: bytes) -> Awaitable[Answer]:
        """Ask for one execution. `body` is the JSON object of bucket, object and inputs. There is no second guess."""
        # Never a query here: with one, the same method and path creates a workflow.
        return self._use(self._ask, "POST", self._path, (), body)

    def get_workflow(self) -> Awaitable[Answer]:
        """Ask how the workflow is defined. Without side effect."""
        return self._call("GET", self._path)

    def list_executions(self, marker: str = "", limit: int = 1000, execution_type: str = "") -> Awaitable[Answer]:
        """Ask for one page of the workflow's executions, at most 1000, in no order of time.

        `marker` is the `next_marker` of the page before, `execution_type` the service's word for how they were started.
        """
        optional = (("x-workflow-next-marker", marker), ("x-workflow-execution-type", execution_type))
        query = (self._of_workflow, ("x-workflow-limit", str(limit)), *(pair for pair in optional if pair[1]))
        return self._call("GET", EXECUTIONS, query)

    def get_execution(self, name: str) -> Awaitable[Answer]:
        """Ask for one execution of the workflow, with the text that it was started with."""
        return self._call("GET", f"{EXECUTIONS}/{quote(name, safe='')}", (self._of_workflow,))

    def restore(self, name: str) -> Awaitable[Answer]:
        """Ask for a failed execution to go on from the step that failed."""
        return self._call("PUT", f"{EXECUTIONS}/{quote(name, safe='')}", (self._of_workflow,))

    def _call(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> Awaitable[Answer]:
        return self._use(self._ask, method, path, query, None)

    async def _ask(
        self, credentials: Credentials, method: str, path: str, query: tuple[tuple[str, str], ...], body: bytes | None
    ) -> Answer:
        sent = self._steady()
        # The service compares the date with its own clock. This machine's is a guess, until an answer has told.
        now = self._clock() if self._lead is None else sent + self._lead.seconds
        headers = self._sign(credentials, method, path, query, int(now))
        target = path + wire_query(query) if query else path
        answer = read(await self._send(method, target, headers, body))
        if answer.date != self._date:
            self._learn(answer.date, sent)
        if answer.code and verdicts.is_skewed(answer):
            self._warn_once()
        return answer

    def _sign(
        self, credentials: Credentials, method: str, path: str, query: tuple[tuple[str, str], ...], now: int
    ) -> Mapping[str, str]:
        """Give the signed headers. The body is not covered: the starts of one second and the same keys share them."""
        signed_of = (credentials, method, path, query, now)
        if signed_of != self._signed_of:
            self._signed_of, self._signed = signed_of, signed_headers(credentials, method, path, query, now=now)
        return self._signed

    def _learn(self, date: str, sent: float) -> None:
        """Take the time from an answer; the answers of one second tell it once."""
        self._date = date
        served = posix_of_header(date)
        if served is not None:
            self._lead = lead(self._lead, served, sent, self._steady())

    def _warn_once(self) -> None:
        behind = self.now() - self._clock()
        if self._lead is None or self._has_warned or abs(behind) < NOTABLE:
            return
        self._has_warned = True
        side = "behind" if behind > 0 else "ahead of"
        self._warn(
            f"this machine's clock is {abs(behind):,.0f} s {side} the service's;"
            " requests are signed with the service's time"
        )
