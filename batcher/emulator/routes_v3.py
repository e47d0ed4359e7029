"""The HTTP routes of DWR v3, on the same executions and the same ledger as those of OBS v2.

The calls are those of the official SDK (github.com/huaweicloud/huaweicloud-sdk-python-v3, huaweicloudsdkdwr).
"""

from __future__ import annotations

import json
import uuid

from aiohttp import web

from batcher.emulator import documents, freshness
from batcher.emulator.answers import (
    JSON_TYPE,
    OVER_RATE,
    SLOW_DOWN,
    TOO_MANY,
    XML_TYPE,
    Refusal,
    json_refusal,
    over_rate_limit,
    refusal_body,
    service_time,
)
from batcher.emulator.executions import Execution
from batcher.emulator.gate import Signed, read_query
from batcher.emulator.gate_v3 import Gate
from batcher.emulator.orders import Order
from batcher.emulator.pages_v3 import STATES, Question, page, time_of
from batcher.emulator.quirks import Quirk
from batcher.emulator.routes import NO_EXECUTION, Routes
from batcher.emulator.shown_times import shown_start
from batcher.emulator.twin import Emulator
from batcher.model import Json

OTHER_PROJECT = json_refusal(403, "APIGW.0302", "The project is not that of the user.")
BAD_QUESTION = "SYS.0010"
INPUTS_NOT_LISTED = json_refusal(400, "Workflow.0006", "inputs must be a list.")
NUMBERS = {"SYS": 1000, "Workflow": 2000}
"""Whole numbers for the codes of the back end, by their first word."""


class V3Routes(Routes):
    """The routes of DWR v3 of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)
        self._gate = Gate()

    def table(self) -> list[web.RouteDef]:
        """List the routes."""
        root = "/v3/{project}"
        one = root + "/workflows/{graph}/workflowexecution/{name}"
        return [
            web.post(root + "/workflows/{graph}/execute", self.start),
            web.get(root + "/workflows/{graph}", self.workflow, allow_head=False),
            web.get(root + "/workflowexecutions", self.executions, allow_head=False),
            web.get(one, self.execution, allow_head=False),
            web.post(one + "/retry", self.restore),
        ]

    def _check(self, request: web.Request, body: bytes = b"") -> Refusal | None:
        url, settings = request.rel_url, self._settings
        signed = Signed(request.method, url.raw_path, url.raw_query_string, request.headers)
        refusal = self._gate.check(signed, body, settings.credentials, now=settings.clock())
        projects = {request.match_info["project"], request.headers.get("X-Project-Id", documents.PROJECT)}
        return refusal or (None if projects == {documents.PROJECT} else OTHER_PROJECT)

    def _throttle(self) -> Refusal | None:
        return None if self._emulator.takes_a_start() else self._over_rate()

    def _over_rate(self) -> Refusal:
        rate = self._settings.rate
        return OVER_RATE if rate is None else over_rate_limit(rate)

    def _order(self, request: web.Request, graph: str, body: bytes) -> Order | Refusal:
        order = super()._order(request, graph, body)
        if isinstance(order, Order) and order.inputs and Quirk.V3_INPUTS_LISTED in self._settings.quirks:
            return INPUTS_NOT_LISTED
        return order

    def _worded(self, refusal: Refusal) -> Refusal:
        if refusal in {SLOW_DOWN, TOO_MANY}:
            return self._over_rate()
        return json_refusal(*refusal[:3]) if refusal.type == XML_TYPE else refusal

    def _refusal_body(self, refusal: Refusal, request_id: str) -> bytes:
        worded = self._worded(refusal)
        if worded.type != JSON_TYPE:
            return refusal_body(worded, request_id)
        family, _, number = worded.code.partition(".")
        is_number = Quirk.V3_CODES in self._settings.quirks and family in NUMBERS
        code = NUMBERS[family] + int(number) if is_number else worded.code
        return json.dumps({"error_msg": worded.message, "error_code": code, "request_id": request_id}).encode()

    def _workflow_document(self, graph: str) -> dict[str, Json]:
        document = super()._workflow_document(graph)
        is_express = Quirk.V3_EXPRESS in self._settings.quirks
        definition = document["definition"] | {"mode": "EXPRESS" if is_express else "NORMAL"}
        return document | {"definition": definition}

    def _page(self, request: web.Request, now: float) -> Json | Refusal:
        query, settings = dict(read_query(request.rel_url.raw_query_string)), self._settings
        graph = query.get("graph_name") or ""
        if graph not in settings.workflows:
            return settings.unknown_workflow
        as_of = freshness.list_as_of(settings, now)
        try:
            begin, end = (time_of(query.get(name) or "") for name in ("start_time", "end_time"))
        except ValueError:
            return json_refusal(400, BAD_QUESTION, "start_time or end_time is not a time.")
        asked = [] if Quirk.V3_EXPRESS in settings.quirks else self._asked(graph)
        texts = (query.get(name) or "" for name in ("limit", "offset", "status"))
        found = page(asked, Question(as_of, begin, end, *texts), settings)
        if isinstance(found, str):
            return json_refusal(400, BAD_QUESTION, found)
        name = "next_marker" if Quirk.V3_MANUAL in settings.quirks else "next_offset"
        following = str(found.following) if Quirk.V3_MANUAL in settings.quirks else found.following
        listed = {
            "count": found.total if Quirk.COUNT_ALL in settings.quirks else len(found.executions),
            "is_truncated": found.following is not None and Quirk.HIDDEN_TRUNCATION not in settings.quirks,
            "executions": [self._summary(each.as_of(as_of), as_of) for each in found.executions],
        }
        return listed if found.following is None else listed | {name: following}

    def _summary(self, execution: Execution, now: float) -> dict[str, Json]:
        summary = documents.summary_of(execution, self._settings, now)
        state = {} if Quirk.STATE in self._settings.quirks else {"execution_state": STATES[execution.state(now)]}
        return summary | state

    def _execution_document(self, execution: Execution, as_of: float) -> dict[str, Json]:
        settings = self._settings
        if Quirk.V3_MANUAL in settings.quirks:
            return super()._execution_document(execution, as_of)
        text = "" if Quirk.INPUT_EMPTY in settings.quirks else documents.input_of(execution, settings)
        ended = "" if as_of < execution.ends_at else service_time(execution.ends_at)
        return {
            "workflow_id": f"urn:fss:{documents.REGION}:workflow:{execution.graph}",
            "workflow_urn": documents.graph_urn(execution.graph),
            # Not the name, by which it was asked for.
            "execution_id": str(uuid.uuid5(uuid.NAMESPACE_URL, execution.name)),
            "status": STATES[execution.state(as_of)],
            "headers": {},
            "input": json.loads(text) if text and not settings.input_twice else text,
            "output": {},
            "begin_time": shown_start(execution, settings),
            "end_time": ended,
            "last_update_time": ended,
            "created_by": "emulator",
            "node_execution_details": self._nodes(execution, as_of),
        }

    @staticmethod
    def _nodes(execution: Execution, as_of: float) -> list[Json]:
        """Return the steps of an execution. Their times are whole milliseconds."""
        if as_of < execution.ends_at:
            return []
        return [
            {
                "node_name": "run",
                "status": STATES[execution.state(as_of)],
                "begin_time": int(execution.started_at * 1000),
                "end_time": int(execution.ends_at * 1000),
                **documents.failure_of(execution, as_of),
            }
        ]

    def _find(self, request: web.Request) -> Execution | Refusal:
        graph = request.match_info["graph"]
        if graph not in self._settings.workflows:
            return self._settings.unknown_workflow
        found = (executions.find(request.match_info["name"]) for executions in self._asked(graph))
        return next(filter(None, found), NO_EXECUTION)
