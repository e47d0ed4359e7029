"""The OBS v2 API as a dialect: its calls, the walk over its execution list, and what it signs. Pure.

The calls are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0123.html (get a workflow) and obs_04_0127
to obs_04_0130 (start, list, get and restore executions). `answers.py` reads the answers, and `obs_v2_errors.py` says
what an error means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from batcher.model import Credentials
from batcher.rules.service import answers, names
from batcher.rules.service.dialect import Call, Dialect, Walk, Window, start_body
from batcher.rules.service.obs_v2_errors import ERRORS
from batcher.rules.service.signing import signed_headers

EXECUTIONS = "/v2/workflowexecutions"
MOST_LISTED = 1000
"""The most executions on a page of the list."""
CALLED, TRIGGERED = "APICALL", "TRIGGERCAL"
"""The types of executions: started by a request, and started by an event of a bucket."""


def start_call(workflow: str) -> Call:
    """Compose a start. It must not have a query: with one, the same method and path create a workflow."""
    return Call("POST", _path(workflow))


def workflow_call(workflow: str) -> Call:
    """Compose the call that gets the definition of a workflow."""
    return Call("GET", _path(workflow))


def page_call(workflow: str, *, marker: str = "", limit: int = MOST_LISTED, is_event: bool | None = None) -> Call:
    """Compose the call for one page of the execution list: at most 1000 executions, not ordered by time."""
    type_ = "" if is_event is None else TRIGGERED if is_event else CALLED
    optional = (("x-workflow-next-marker", marker), ("x-workflow-execution-type", type_))
    chosen = tuple(pair for pair in optional if pair[1])
    return Call("GET", EXECUTIONS, (_of(workflow), ("x-workflow-limit", str(limit)), *chosen))


def walk(workflow: str, _windows: Sequence[Window]) -> Walk:
    """Walk the whole list by its markers. The windows are not used: the list cannot be ordered or filtered by time.

    Pages that are too large to be read are halved. The following pages grow again, by an eighth each.
    """
    marker, markers, limit = "", {""}, MOST_LISTED
    while True:
        page = yield page_call(workflow, marker=marker, limit=limit)
        if page is None and limit == 1:
            return "an entry of the execution list is too large to be read"
        if page is None:
            limit //= 2
            continue
        limit = min(MOST_LISTED, limit + limit // 8 + 1)
        marker = page.next_marker
        if not marker:
            return ""
        if marker in markers:
            return "the execution list repeats a page marker"
        markers.add(marker)


def execution_call(workflow: str, name: str) -> Call:
    """Compose the call that gets one execution, including the text that it was started with."""
    return Call("GET", f"{EXECUTIONS}/{quote(name, safe='')}", (_of(workflow),))


def restore_call(workflow: str, name: str) -> Call:
    """Compose the call that resumes a failed execution from the step that failed."""
    return Call("PUT", f"{EXECUTIONS}/{quote(name, safe='')}", (_of(workflow),))


def sign(credentials: Credentials, call: Call, _body: bytes | None, now: int) -> Mapping[str, str]:
    """Return the signed headers of a call. The signature does not cover the body."""
    return signed_headers(credentials, call.method, call.path, call.query, now=now)


def _path(workflow: str) -> str:
    # A valid workflow name needs no percent-encoding.
    return f"/v2/workflows/{workflow}"


def _of(workflow: str) -> tuple[str, str]:
    return ("x-workflow-graph-name", workflow)


OBS_V2 = Dialect(
    name="obs-v2",
    start=start_call,
    start_body=start_body,
    workflow=workflow_call,
    walk=walk,
    page=page_call,
    execution=execution_call,
    restore=restore_call,
    sign=sign,
    signs_body=False,
    read_start=answers.read_start,
    read_workflow=answers.read_workflow,
    read_page=answers.read_page,
    read_execution=answers.read_execution,
    errors=ERRORS,
    workflow_fault=names.workflow_fault,
    region_endpoint=names.region_endpoint,
    endpoint=names.endpoint,
)
