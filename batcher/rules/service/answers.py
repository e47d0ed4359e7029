"""Reads the answers of the OBS v2 API: errors in XML or JSON, and the successful answers of the workflow calls. Pure.

Rule 1: no reply, however hostile, raises an error here. What cannot be read is None or empty.
The formats: https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html, and obs_04_0123, 0127, 0128, 0129 there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec.json
import orjson
from msgspec import MsgspecError, Struct

from batcher.model import (
    Answer,
    Described,
    Execution,
    ExecutionDetail,
    Json,
    Noun,
    Page,
    Parameter,
    Reply,
    Workflow,
)
from batcher.rules.service.clock import posix
from batcher.rules.service.dialect import LONGEST, legible
from batcher.rules.service.signing import http_date
from batcher.rules.service.verdicts import SUCCESS
from batcher.rules.text import unescaped

REDIRECT = range(300, 400)

# The front end writes Code, the workflow back end code, and the API gateway error_code.
CODE_NAMES = ("code", "error_code", "Code", "errorCode")
MESSAGE_NAMES = ("message", "error_msg", "Message")
_CAUSE_NAMES = ("error_message", "error_msg", "message", "error", "cause")
_FAILING = frozenset({"fail", "failed", "timeout", "timed_out", "cancel", "cancelled", "canceled", "error"})
"""The words, in lower case, of steps that did not succeed."""
REQUEST_ID_NAMES = ("request_id", "RequestId")

VALUE_NAMES = ("value", "parameter_value", "paramter_value")
"""The names under which a declared parameter may have its value. The last is how the documentation spells it."""

# Only three elements are needed. Without an XML parser, no entity is ever expanded. No part of the pattern may
# cross a "<": that keeps the search linear.
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?(Code|Message|RequestId)(?:\s[^<>]*)?>([^<]*)</")

# The front end's errors have one root element. An HTML page of a proxy has another.
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")

# The API gateway: `signature expired, signature time:20211217T064303Z,server time:20211217T065804Z`.
_SERVER_TIME = re.compile(r"server time:\s*(\d{8}T\d{6}Z)")

Object = Mapping[str, Json] | None
"""The JSON object of a successful answer, None if it could not be read."""


class _Plain(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The documented answer to a start: texts, and nothing else."""

    execution_urn: str = ""
    started_at: str = ""
    execution_name: str = ""


_BACKSLASH = 0x5C
"""A byte is found as a number in a quarter of the time that it takes as bytes."""
_read_plain = msgspec.json.Decoder(_Plain).decode


class _Words(NamedTuple):
    """The contents of an error's body."""

    code: str = ""
    message: str = ""
    request_id: str = ""


def read_start(reply: Reply) -> Answer:
    """Read the answer to a start. An error's body is recognized by its first byte: `Content-Type` is not reliable."""
    status, headers = reply.status, reply.headers
    if status not in SUCCESS:
        return Answer(*_refusal(reply))
    plain = _plain(reply.body)
    if plain is None:
        body = object_of(reply.body)
        return Answer(status, "", "", _request_id(body, headers), "", headers.get("date", ""), started(body))
    name = plain.execution_name
    execution = Execution(name, plain.execution_urn, plain.started_at) if name else None
    return Answer(status, "", "", _id_of_header(headers), "", headers.get("date", ""), execution)


def read_workflow(reply: Reply) -> Described[Workflow]:
    """Read the definition of a workflow."""
    return described(reply, workflow)


def read_page(reply: Reply) -> Described[Page]:
    """Read a page of the execution list."""
    return described(reply, page)


def read_execution(reply: Reply) -> Described[ExecutionDetail]:
    """Read the details of one execution."""
    return described(reply, detail)


def described(reply: Reply, noun_of: Callable[[Object], Noun | None]) -> Described[Noun]:
    """Read the answer to a query. `noun_of` reads its body."""
    status, headers = reply.status, reply.headers
    if status not in SUCCESS:
        return Described(*_refusal(reply))
    body = object_of(reply.body)
    return Described(
        status,
        request_id=_request_id(body, headers),
        date=headers.get("date", ""),
        noun=noun_of(body),
        is_garbled=body is None,
    )


def _request_id(body: Object, headers: Mapping[str, str]) -> str:
    return (_first(body, REQUEST_ID_NAMES) if body else "") or _id_of_header(headers)


def _id_of_header(headers: Mapping[str, str]) -> str:
    # Written out, because it is done for every row.
    get = headers.get
    text = get("x-obs-request-id") or get("x-request-id") or get("x-amz-request-id")
    return legible(text) if text else ""


def _refusal(reply: Reply) -> tuple[int, str, str, str, str, str]:
    """Return the first fields of an answer that is an error."""
    status, headers = reply.status, reply.headers
    words = _words(reply.body)
    return (
        status,
        words.code,
        words.message or _elsewhere(status, headers),
        words.request_id or _id_of_header(headers),
        headers.get("retry-after", ""),
        headers.get("date", "") or _date_in(words.message),
    )


def _date_in(message: str) -> str:
    """Return the service's time from its refusal of a request's date, in the form of a header."""
    stated = _SERVER_TIME.search(message)
    at = stated and posix(stated[1])
    return http_date(at) if at else ""


def started(body: Object) -> Execution | None:
    """Return the execution that the answer to a start names, None if it names none.

    https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html
    """
    name = text_of(body, "execution_name")
    return Execution(name, text_of(body, "execution_urn"), text_of(body, "started_at")) if name else None


def workflow(body: Object) -> Workflow | None:
    """Return the workflow that a body describes, None if any of its parameters cannot be read.

    https://support.huaweicloud.com/en-us/api-obs/obs_04_0123.html
    """
    definition = value_of(body, "definition")
    if not isinstance(definition, dict):
        return None
    parameters = {}
    for name, entry in _named(definition.get("inputs") or {}):
        parameter = _parameter(name, entry)
        if parameter is None:
            return None
        parameters[parameter.name] = parameter
    return Workflow(text_of(body, "name"), parameters, _triggers(definition.get("event_defs")))


def page(body: Object) -> Page | None:
    """Return a page of the execution list, None if it cannot be read completely."""
    return page_of(body, text_of(body, "next_marker"))


def page_of(body: Object, marker: str) -> Page | None:
    """Return a page of the execution list, None if it cannot be read completely. `marker` leads to the next page.

    An execution that is missed would look like a row that was never started. So a page is not read at all if it has no
    list, if an execution has no name, or if it is truncated and has no marker for the next page.
    https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html
    """
    listed = value_of(body, "executions")
    if listed is None and value_of(body, "count") == 0:
        listed = []
    truncated = value_of(body, "is_truncated")
    if truncated is None:
        truncated = bool(marker)
    if not isinstance(listed, list) or not isinstance(truncated, bool) or (truncated and not marker):
        return None
    executions = tuple(execution_of(entry) for entry in listed)
    if not all(execution.name for execution in executions):
        return None
    count = value_of(body, "count")
    return Page(executions, marker if truncated else "", count if type(count) is int else None)


def detail(body: Object) -> ExecutionDetail | None:
    """Return the execution that a body describes, None if it names none or its input cannot be read.

    https://support.huaweicloud.com/en-us/api-obs/obs_04_0129.html
    """
    info = value_of(body, "execution_info")
    execution = execution_of(info)
    text = input_of(value_of(info, "input"))
    failure = failure_of(value_of(info, "state_map"))
    return ExecutionDetail(execution, text, failure) if execution.name and text is not None else None


def failure_of(steps: Json) -> tuple[str, str]:
    """Return the name and the message of the first step that failed, empty if none has or the step has none.

    The steps are a map by name in OBS v2 and a list in DWR v3. Only the latter is documented to have messages.
    """
    for name, step in steps.items() if isinstance(steps, dict) else enumerate(steps if isinstance(steps, list) else ()):
        if text_of(step, "status").strip().casefold() in _FAILING:
            found = _first(step, ("state_name", "node_name", "node_id", "name"))
            return found or (legible(name) if isinstance(name, str) else ""), _first(step, _CAUSE_NAMES)
    return "", ""


def input_of(value: Json) -> str | None:
    """Return the text of an input. It is documented as text that contains JSON; plain JSON means the same."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # It was parsed, but is nested too deeply to be written.
        return None


def _plain(content: bytes) -> _Plain | None:
    """Read the answer to a start in its documented form. Return None for any other, which `object_of` reads.

    In this form, each byte belongs to a name or a text that is read, and no text has an escape. So a decoder that is
    faster with it finds what `object_of` finds.
    """
    if not content.isascii() or _BACKSLASH in content:
        return None
    try:
        return _read_plain(content)
    except MsgspecError:
        return None


def object_of(content: bytes | str) -> dict[str, Json] | None:
    """Return the JSON object that a body consists of, None if it is anything else."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _words(content: bytes) -> _Words:
    first = content.lstrip()[:1]
    text = content.decode("utf-8", "replace")
    if first == b"{":
        body = object_of(text) or {}
        return _Words(*(_first(body, names) for names in (CODE_NAMES, MESSAGE_NAMES, REQUEST_ID_NAMES)))
    root = _ROOT.search(text) if first == b"<" else None
    if root is not None and root[1] == "Error":
        # The first element of a name counts. Truncated before unescaping: `unescape` fails for a long reference.
        elements = {name: raw[:LONGEST] for name, raw in reversed(_ELEMENT.findall(text))}
        return _Words(*(legible(unescaped(elements.get(name, ""))) for name in ("Code", "Message", "RequestId")))
    return _Words()


def _elsewhere(status: int, headers: Mapping[str, str]) -> str:
    location = headers.get("location", "")
    return legible(f"redirected to {location}") if status in REDIRECT and location else ""


def _first(fields: Mapping[str, Json], names: tuple[str, ...]) -> str:
    """Return the first of these fields that is not empty. Some codes are numbers; they are returned as text."""
    for value in map(fields.get, names):
        if value is None or value == "":
            continue
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return legible(str(value))
    return ""


def value_of(fields: Json, name: str) -> Json:
    """Return a field of a JSON object, None if it is missing or this is no object."""
    return fields.get(name) if isinstance(fields, dict) else None


def text_of(fields: Json, name: str) -> str:
    """Return a text of a JSON object, empty if it is missing or no text."""
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""


def written_of(fields: Json, name: str) -> str:
    """Return a text, or a whole number as text: a time that cannot be read is still shown to the user."""
    value = value_of(fields, name)
    return str(value) if type(value) is int else text_of(fields, name)


def _named(inputs: Json) -> list[tuple[Json, Json]]:
    """Return the declared parameters with their names, from the map of an existing workflow or from a source array."""
    if isinstance(inputs, dict):
        return list(inputs.items())
    if isinstance(inputs, list):
        return [(value_of(entry, "parameter_name"), entry) for entry in inputs]
    return [(None, inputs)]


def _parameter(name: Json, entry: Json) -> Parameter | None:
    if not isinstance(name, str) or not name or not isinstance(entry, dict):
        return None
    valued = any(value_of(entry, key) not in (None, "") for key in VALUE_NAMES)
    default = entry.get("default")
    return Parameter(
        name,
        text_of(entry, "type").lower(),
        valued or default is not None,
        _constraints(entry.get("constraints")),
        # It is not documented whether an empty default is a default. The caller warns about it and does not refuse it.
        has_blank_default=not valued and default == "",
    )


def _constraints(value: Json) -> Mapping[str, Json]:
    """Read constraints. They are a map when a workflow is created, and later a text that contains JSON."""
    if isinstance(value, str):
        value = object_of(value)
    return value if isinstance(value, dict) else {}


def _triggers(events: Json) -> tuple[str, ...]:
    entries = list(events.values()) if isinstance(events, dict) else events
    buckets = [text_of(entry, "trigger_bucket") for entry in entries] if isinstance(entries, list) else []
    return tuple(dict.fromkeys(bucket for bucket in buckets if bucket))


def execution_of(entry: Json) -> Execution:
    """Return the execution that an entry of the list describes. What it lacks is empty."""
    type_, started_at = text_of(entry, "execution_type"), written_of(entry, "started_at")
    return Execution(
        text_of(entry, "execution_name"),
        text_of(entry, "execution_urn"),
        started_at,
        posix(text_of(entry, "started_at")),
        # The documentation has it shortened, as TRIGGERCAL.
        type_.upper().startswith("TRIGGER"),
        type_,
        text_of(entry, "execution_state"),
        written_of(entry, "stopped_at"),
    )
