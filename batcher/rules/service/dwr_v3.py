"""The DWR v3 API (Data Workroom) as a dialect: its calls, its signature, and how its answers are read. Pure.

The calls are those of the official SDK (github.com/huaweicloud/huaweicloud-sdk-python-v3, huaweicloudsdkdwr). The
manual (https://support.huaweicloud.com/api-dwr/dwr_04_0127.html) shows other answers for the same calls: both are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from urllib.parse import quote

import orjson

from batcher.model import Answer, Credentials, Described, Execution, ExecutionDetail, Page, Reply, Workflow
from batcher.rules.service import answers, dwr_v3_list, names
from batcher.rules.service.answers import Object, described, execution_of, input_of, object_of, text_of, value_of
from batcher.rules.service.clock import posix
from batcher.rules.service.dialect import Call, Dialect, start_body
from batcher.rules.service.dwr_v3_errors import ERRORS
from batcher.rules.service.dwr_v3_list import MOST_LISTED, Span
from batcher.rules.service.sdk_signing import Seal, sdk_date, sdk_query, seal, sealed
from batcher.rules.service.signing import JSON_TYPE, Query
from batcher.rules.service.verdicts import SUCCESS

NAME = "dwr-v3"
CLOSES_AFTER = 5.0
"""Seconds by which the clocks of the service may differ. After these, no execution of an earlier second begins."""


def dwr_v3(host: str, project: str) -> Dialect:
    """Return the dialect for the requests to `host` (with the port, if it is sent) about a project."""
    root = f"/v3/{quote(project, safe='')}"
    workflows, listed = f"{root}/workflows", f"{root}/workflowexecutions"

    def one(workflow: str, name: str) -> str:
        # The list has the plural, one execution the singular.
        return f"{workflows}/{workflow}/workflowexecution/{quote(name, safe='')}"

    def spanned(workflow: str, span: Span, offset: str, limit: int) -> Call:
        begin, end = dwr_v3_list.times_of(span)
        call = page_call(workflow, marker=offset, limit=limit)
        return call._replace(query=(*call.query, ("start_time", begin), ("end_time", end)))

    def page_call(workflow: str, *, marker: str = "", limit: int = MOST_LISTED, is_event: bool | None = None) -> Call:
        # The list cannot be filtered by what started an execution, and an empty filter would be another question.
        del is_event
        offset = (("offset", marker),) if marker else ()
        return Call("GET", listed, (("graph_name", workflow), ("limit", str(min(limit, MOST_LISTED))), *offset))

    def sign(credentials: Credentials, call: Call, body: bytes | None, now: int) -> Mapping[str, str]:
        return sealed(_seal(credentials, call, host, project, now), body)

    return Dialect(
        name=NAME,
        start=lambda workflow: Call("POST", f"{workflows}/{workflow}/execute"),
        start_body=start_body,
        workflow=lambda workflow: Call("GET", f"{workflows}/{workflow}"),
        walk=lambda workflow, windows: dwr_v3_list.walk(partial(spanned, workflow), windows),
        page=page_call,
        execution=lambda workflow, name: Call("GET", one(workflow, name)),
        restore=lambda workflow, name: Call("POST", f"{one(workflow, name)}/retry"),
        sign=sign,
        signs_body=True,
        wire_query=wire_query,
        closes_after=CLOSES_AFTER,
        read_start=read_start,
        read_workflow=read_workflow,
        read_page=read_page,
        read_execution=read_execution,
        errors=ERRORS,
        workflow_fault=names.workflow_fault,
        region_endpoint=names.dwr_region_endpoint,
        endpoint=names.endpoint,
    )


@lru_cache(maxsize=4)
def _seal(credentials: Credentials, call: Call, host: str, project: str, now: int) -> Seal:
    """Compose what the starts of one second have in common."""
    headers = {"Content-Type": JSON_TYPE, "Host": host, "X-Project-Id": project, "X-Sdk-Date": sdk_date(now)}
    return seal(credentials, call.method, call.path, call.query, headers)


def wire_query(query: Query) -> str:
    """Write the query as it is sent, from its `?` on."""
    return "?" + sdk_query((name, value or "") for name, value in query)


def read_start(reply: Reply) -> Answer:
    """Read the answer to a start or a retry."""
    return answers.read_start(_plain(reply))


def read_workflow(reply: Reply) -> Described[Workflow]:
    """Read the definition of a workflow."""
    return described(_plain(reply), workflow)


def read_page(reply: Reply) -> Described[Page]:
    """Read a page of the execution list."""
    return described(_plain(reply), page)


def read_execution(reply: Reply) -> Described[ExecutionDetail]:
    """Read the details of one execution. It has no name if the answer names none."""
    return described(_plain(reply), detail)


def _plain(reply: Reply) -> Reply:
    """Return an error with its code and message at the top of its body, where other errors have them.

    `error_code` may be a whole number. In any other field, a number is another program's.
    """
    body = None if reply.status in SUCCESS else object_of(reply.body)
    if body is None:
        return reply
    inner = body.get("error")
    fields = {**inner, **body} if isinstance(inner, dict) else body
    is_own = isinstance(fields.get("error_msg"), str)
    words = {
        name: each
        for name, each in fields.items()
        if isinstance(each, str) or (is_own and name == "error_code" and type(each) is int)
    }
    return Reply(reply.status, reply.headers, orjson.dumps(words))


def workflow(body: Object) -> Workflow | None:
    """Return the workflow that a body describes. Its mode may be beside the definition or in it."""
    found = answers.workflow(body)
    modes = {text_of(each, "mode").upper() for each in (body, value_of(body, "definition"))}
    return found._replace(keeps_history="EXPRESS" not in modes) if found is not None else None


def page(body: Object) -> Page | None:
    """Return a page of the list. The SDK has a number that leads to the next page, the manual a text."""
    following = value_of(body, "next_offset")
    return answers.page_of(body, str(following) if type(following) is int else text_of(body, "next_marker"))


def detail(body: Object) -> ExecutionDetail | None:
    """Return an execution: of its own fields, as in the SDK, or of one field `execution_info`, as in the manual."""
    if value_of(body, "execution_info") is not None:
        return answers.detail(body)
    text = input_of(value_of(body, "input"))
    if text is None or not (text_of(body, "status") or text_of(body, "execution_id")):
        return None
    listed = execution_of(body)
    began, state, stopped = (text_of(body, name) for name in ("begin_time", "status", "end_time"))
    found = Execution(listed.name, listed.urn, began, posix(began), state=state, stopped_at=stopped)
    return ExecutionDetail(found, text, answers.failure_of(value_of(body, "node_execution_details")))
