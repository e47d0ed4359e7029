"""The HTTP routes: each call of the workflow API, from request to answer. `twin` decides what a start does.

The calls are those of the pages obs_04_0123 and obs_04_0127 to obs_04_0130 of
https://support.huaweicloud.com/en-us/api-obs/ .
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

from aiohttp import web

from batcher.emulator import connection_faults, documents, freshness, pages
from batcher.emulator.answers import (
    JSON_TYPE,
    OVER_RATE_LIMIT,
    SLOW_DOWN,
    TOO_MANY,
    Refusal,
    json_refusal,
    over_rate_limit,
    refusal_body,
    xml_refusal,
)
from batcher.emulator.bucket_routes import BucketRoutes
from batcher.emulator.executions import Execution, Executions, ExecutionState, ExecutionType
from batcher.emulator.faults import BEFORE, FAULTS, FaultKind
from batcher.emulator.gate import Signed, check, read_query
from batcher.emulator.orders import BODY_TOO_LONG, INCOMPLETE_BODY, Order, read_order
from batcher.emulator.pages import Question
from batcher.emulator.parsing import parse_faults, parse_rate
from batcher.emulator.quirks import Quirk
from batcher.emulator.settings import Settings, ThrottleAnswer
from batcher.emulator.twin import Emulator
from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.service.signing import http_date

UNTYPED = "application/octet-stream"
"""The type that aiohttp adds to a body without one. `drop_marked` removes it."""
UNDATED = "none"
"""A placeholder for no date, because aiohttp would add one. `drop_marked` removes it."""

THROTTLED = {ThrottleAnswer.SLOWDOWN: SLOW_DOWN, ThrottleAnswer.TOO_MANY: TOO_MANY}
BUSY = {SLOW_DOWN.code, TOO_MANY.code, OVER_RATE_LIMIT}
"""The codes of refusals that may have a `Retry-After`."""
FORBIDDEN = xml_refusal(403, "AccessDenied", "You have no permission for this operation.")
NOT_SUPPORTED = json_refusal(404, "SYS.0003", "The API is not supported.")
NOT_A_START = json_refusal(400, "SYS.0010", "A start has no query.")
NO_GRAPH = json_refusal(400, "SYS.0010", "x-workflow-graph-name is required.")
BAD_LIMIT = json_refusal(400, "SYS.0010", "x-workflow-limit must be between 1 and 1000.")
BAD_TYPE = json_refusal(400, "SYS.0010", "x-workflow-execution-type must be APICALL or TRIGGERCAL.")
OBJECT_MISSING = json_refusal(404, "SYS.0015", "The object does not exist.")
# The documents name no error code for an unknown execution, nor for the restore of one that has not failed.
NO_EXECUTION = json_refusal(404, "Workflow.0002", "The execution does not exist.")
RESTORABLE = {ExecutionState.FAILED, ExecutionState.TIMEOUT}
NOT_FAILED = json_refusal(400, "SYS.0010", "Only a failed execution can be restored.")
SHUTTING_DOWN = xml_refusal(503, "ServiceUnavailable", "The emulator is shutting down.")

DEFAULT_LIMIT, MAX_LIMIT = "10", 1000
GARBAGE = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"


class Routes:
    """The routes of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._request_numbers = count(1)
        self._buckets = BucketRoutes(emulator, self._refuse, self._respond)

    @property
    def _settings(self) -> Settings:
        return self._emulator.settings

    def table(self) -> list[web.RouteDef]:
        """List the routes. Any other call is not supported."""
        return [
            web.post("/v2/workflows/{graph}", self.start),
            web.get("/v2/workflows/{graph}", self.workflow, allow_head=False),
            web.get("/v2/workflowexecutions", self.executions, allow_head=False),
            web.get("/v2/workflowexecutions/{name}", self.execution, allow_head=False),
            web.put("/v2/workflowexecutions/{name}", self.restore),
            web.get("/emulator/ledger", self.ledger, allow_head=False),
            web.post("/emulator/rate", self.change_rate),
            web.post("/emulator/faults", self.change_faults),
            web.route("*", "/{rest:.*}", self.other),
        ]

    async def start(self, request: web.Request) -> web.StreamResponse:
        """Start one execution, unless the request is refused or meets a fault."""
        self._emulator.ledger.requests["start"] += 1
        body = await _read_body(request)
        if isinstance(body, Refusal):
            return self._refuse(body)
        if refusal := self._check(request, body) or self._throttle():
            return self._refuse(refusal)
        self._emulator.in_flight += 1
        try:
            return await self._start(request, body)
        finally:
            self._emulator.in_flight -= 1

    async def _start(self, request: web.Request, body: bytes) -> web.StreamResponse:
        graph = request.match_info["graph"]
        order = self._order(request, graph, body)
        fault, late = self._emulator.fate(graph, order)
        if fault is not None and fault in BEFORE:
            return await self._fail(request, fault)
        if isinstance(order, Refusal):
            return self._refuse(order)
        if late and not await self._is_carried_out(request, late):
            return self._refuse(SHUTTING_DOWN)
        document = documents.start_document(self._emulator.start(graph, order), self._settings)
        if fault is not None:
            return await self._fail(request, fault, document)
        response = self._answer(document, typed=False)
        if Quirk.CREATED in self._settings.quirks:
            response.set_status(201)
        return response

    def _throttle(self) -> Refusal | None:
        if self._emulator.takes_a_start():
            return None
        answer, rate = self._settings.throttle_answer, self._settings.rate
        return THROTTLED[answer] if answer in THROTTLED or rate is None else over_rate_limit(rate)

    def _order(self, request: web.Request, graph: str, body: bytes) -> Order | Refusal:
        if request.rel_url.raw_query_string:
            return NOT_A_START
        if graph not in self._settings.workflows:
            return self._settings.unknown_workflow
        order = read_order(body, self._settings.workflows[graph])
        if isinstance(order, Refusal):
            return order
        return OBJECT_MISSING if self._emulator.misses(order) else order

    async def _is_carried_out(self, request: web.Request, late: float) -> bool:
        """Wait until a late start is to be committed, even if its client has left. False if the emulator stops."""
        if Quirk.LATE_RESET in self._settings.quirks:
            connection_faults.reset(request)
        await connection_faults.pause(self._emulator.stopping, late)
        return not self._emulator.stopping.is_set()

    async def _fail(self, request: web.Request, kind: FaultKind, document: Json = None) -> web.StreamResponse:
        """Apply a fault to a start or a restore. `document` is the normal answer, if it was committed."""
        if refusal := FAULTS[kind].refusal:
            return self._refuse(self._worded(refusal))
        body = json.dumps(document).encode()
        response = self._respond(200, body, UNTYPED, kind)
        match kind:
            case FaultKind.NAMELESS:
                nameless = {name: value for name, value in document.items() if name != "execution_name"}
                response.body = json.dumps(nameless | {"execution_urn": ""}).encode()
            case FaultKind.GARBAGE:
                response.body, response.content_type = GARBAGE, "text/html"
        return await connection_faults.carry(
            kind, request, response, body, self._emulator.stopping, self._settings.slow
        )

    def _worded(self, refusal: Refusal) -> Refusal:
        """Return the refusal of a fault as this API answers it."""
        return refusal

    async def workflow(self, request: web.Request) -> web.Response:
        """Describe a workflow."""
        self._emulator.ledger.requests["workflow"] += 1
        if refusal := self._check(request) or (FORBIDDEN if self._settings.workflow_forbidden else None):
            return self._refuse(refusal)
        if request.rel_url.raw_query_string:
            return self._refuse(NOT_SUPPORTED)
        graph = request.match_info["graph"]
        if graph not in self._settings.workflows:
            return self._refuse(self._settings.unknown_workflow)
        return self._answer(self._workflow_document(graph))

    def _workflow_document(self, graph: str) -> dict[str, Json]:
        settings = self._settings
        declared = settings.workflows[graph]
        return documents.workflow_document(graph, declared, settings.triggers, self._emulator.began_at)

    async def executions(self, request: web.Request) -> web.Response:
        """Return a page of executions."""
        self._emulator.ledger.requests["list"] += 1
        now = self._settings.clock()
        page = self._check(request) or (FORBIDDEN if self._settings.list_forbidden else self._page(request, now))
        if isinstance(page, Refusal):
            return self._refuse(page)
        return self._dated(self._answer(page), freshness.list_date(self._settings, now))

    def _page(self, request: web.Request, now: float) -> Json | Refusal:
        query = dict(read_query(request.rel_url.raw_query_string))
        graph = query.get("x-workflow-graph-name")
        limit = query.get("x-workflow-limit") or DEFAULT_LIMIT
        type_ = query.get("x-workflow-execution-type")
        if not graph:
            return NO_GRAPH
        if graph not in self._settings.workflows:
            return self._settings.unknown_workflow
        if not limit.isdecimal() or not 1 <= int(limit) <= MAX_LIMIT:
            return BAD_LIMIT
        if type_ and type_ not in ExecutionType.__members__:
            return BAD_TYPE
        wanted = ExecutionType(type_) if type_ and Quirk.NO_FILTER not in self._settings.quirks else None
        as_of = freshness.list_as_of(self._settings, now)
        question = Question(as_of, int(limit), query.get("x-workflow-next-marker") or "", wanted)
        asked = self._asked(graph)
        listing = pages.page(asked, question, self._settings)
        return documents.listing_document(listing, sum(map(len, asked)), self._settings, as_of)

    def _asked(self, graph: str) -> list[Executions]:
        """Return the executions of the workflow that is asked for, or with a quirk those of all workflows."""
        executions = self._emulator.executions
        return list(executions.values()) if Quirk.ALL_WORKFLOWS in self._settings.quirks else [executions[graph]]

    async def execution(self, request: web.Request) -> web.Response:
        """Describe an execution."""
        self._emulator.ledger.requests["execution"] += 1
        now = self._settings.clock()
        as_of = freshness.detail_as_of(self._settings, now)
        found = self._check(request) or (FORBIDDEN if self._settings.get_forbidden else self._find(request))
        if isinstance(found, Execution) and not pages.is_known(found, self._settings, now, as_of):
            found = NO_EXECUTION
        if isinstance(found, Refusal):
            return self._refuse(found)
        described = self._emulator.described(found).as_of(as_of)
        return self._dated(self._answer(self._execution_document(described, as_of)), as_of)

    def _execution_document(self, execution: Execution, as_of: float) -> dict[str, Json]:
        return documents.execution_document(execution, self._settings, as_of)

    async def restore(self, request: web.Request) -> web.StreamResponse:
        """Restore a failed execution, unless the request is refused or meets a fault."""
        self._emulator.ledger.requests["restore"] += 1
        if self._settings.restore_forbidden:
            return self._refuse(FORBIDDEN)
        if refusal := self._check(request) or self._throttle():
            return self._refuse(refusal)
        fault, late = self._emulator.restore_fate()
        if fault is not None and fault in BEFORE:
            return await self._fail(request, fault)
        if late:
            await connection_faults.pause(self._emulator.stopping, late)
        found = self._restorable(request)
        if isinstance(found, Refusal):
            return self._refuse(found)
        document = documents.restore_document(self._emulator.restore(found), self._settings.clock())
        return self._answer(document) if fault is None else await self._fail(request, fault, document)

    def _restorable(self, request: web.Request) -> Execution | Refusal:
        found, now = self._find(request), self._settings.clock()
        is_any = Quirk.RESTORE_ANY in self._settings.quirks
        if isinstance(found, Execution) and found.state(now) not in RESTORABLE and not is_any:
            return NOT_FAILED
        return found

    def _find(self, request: web.Request) -> Execution | Refusal:
        graph = dict(read_query(request.rel_url.raw_query_string)).get("x-workflow-graph-name")
        if not graph:
            return NO_GRAPH
        if graph not in self._settings.workflows:
            return self._settings.unknown_workflow
        found = (executions.find(request.match_info["name"]) for executions in self._asked(graph))
        return next(filter(None, found), NO_EXECUTION)

    async def ledger(self, _: web.Request) -> web.Response:
        """Return what really started. This is not a call of the service: it needs no signature and is not counted."""
        return web.json_response(self._emulator.ledger.summary())

    async def change_rate(self, request: web.Request) -> web.Response:
        """Change the rate. Like `ledger`, this is not a call of the service."""
        return await _change(request, lambda text: self._emulator.change_rate(parse_rate(text)))

    async def change_faults(self, request: web.Request) -> web.Response:
        """Change the faults. Like `ledger`, this is not a call of the service."""
        return await _change(request, lambda text: self._emulator.change_faults(parse_faults(text)))

    async def other(self, request: web.Request) -> web.StreamResponse:
        """Answer what is about a bucket, and refuse every other call."""
        answer = await self._buckets.answer(request)
        if answer is not None:
            return answer
        self._emulator.ledger.requests["other"] += 1
        return self._refuse(NOT_SUPPORTED)

    def _check(self, request: web.Request, _: bytes = b"") -> Refusal | None:
        """Return why the request is refused. The signature does not cover the body."""
        url = request.rel_url
        signed = Signed(request.method, url.raw_path, url.raw_query_string, request.headers)
        return check(signed, self._settings.credentials, now=self._settings.clock())

    def _answer(self, document: Json, *, typed: bool = True) -> web.Response:
        """Return a normal answer. The answer to a start is documented without a `Content-Type`, all others with one."""
        return self._respond(200, json.dumps(document).encode(), JSON_TYPE if typed else UNTYPED, "200")

    def _dated(self, response: web.Response, date: float | None) -> web.Response:
        """Let an answer show another time, or none."""
        if date is None:
            response.headers["Date"] = UNDATED
        elif Quirk.NO_DATE not in self._settings.quirks:
            response.headers["Date"] = http_date(date)
        return response

    def _refuse(self, refusal: Refusal) -> web.Response:
        request_id = self._request_id()
        label = f"{refusal.status} {refusal.code}".rstrip()
        response = self._respond(
            refusal.status, self._refusal_body(refusal, request_id), refusal.type, label, request_id=request_id
        )
        is_busy = refusal.code in BUSY or refusal.status == TOO_MANY.status
        if is_busy and self._settings.retry_after is not None:
            response.headers["Retry-After"] = str(self._settings.retry_after)
        return response

    def _refusal_body(self, refusal: Refusal, request_id: str) -> bytes:
        return refusal_body(refusal, request_id)

    def _respond(self, status: int, body: bytes, type_: str, label: str, *, request_id: str = "") -> web.Response:
        """Make a response with the headers of every answer, and count it under its label."""
        self._emulator.ledger.answers[label] += 1
        headers = {
            "Content-Type": type_,
            "Date": UNDATED if Quirk.NO_DATE in self._settings.quirks else http_date(self._settings.clock()),
            "Server": "batcher-emulator",
            "X-Request-ID": request_id or self._request_id(),
        }
        return web.Response(status=status, body=body, headers=headers)

    def _request_id(self) -> str:
        return f"{next(self._request_numbers):032X}"


async def _change(request: web.Request, change: Callable[[str], None]) -> web.Response:
    try:
        change((await request.read()).decode(errors="replace"))
    except UsageError as error:
        return web.Response(status=400, text=f"{error}\n{error.advice}\n")
    return web.Response(status=204)


async def _read_body(request: web.Request) -> bytes | Refusal:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return BODY_TOO_LONG
    except (ConnectionError, web.RequestPayloadError):
        # The client has disconnected, so this answer is never received. A body that is incomplete starts nothing.
        return INCOMPLETE_BODY


async def drop_marked(_: web.Request, response: web.StreamResponse) -> None:
    """Remove headers that aiohttp adds to every answer: the service's answer to a start has no type."""
    for name, mark in (("Content-Type", UNTYPED), ("Date", UNDATED)):
        if response.headers.get(name) == mark:
            del response.headers[name]
