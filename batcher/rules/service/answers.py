"""Reading what the service answers: errors in XML or JSON, and the good answers of the workflow calls. Pure.

Rule 1: no reply, however hostile, raises an error here; what cannot be read is None or empty.
The formats: https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html and obs_04_0123, 0127, 0128, 0129 beside it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from batcher.model import (
    Answer,
    Execution,
    ExecutionDetail,
    Json,
    ListedExecution,
    Lost,
    Page,
    Parameter,
    Reply,
    Workflow,
)

SUCCESS = range(200, 300)
REDIRECT = range(300, 400)

LONGEST = 500
"""So many characters of the service's words are kept: they go to terminals and into records."""

# The front end speaks of Code, the workflow back end of code, the API gateway of error_code.
CODE_NAMES = ("code", "error_code", "Code", "errorCode")
MESSAGE_NAMES = ("message", "error_msg", "Message")
REQUEST_ID_NAMES = ("request_id", "RequestId")
REQUEST_ID_HEADERS = ("x-obs-request-id", "x-request-id", "x-amz-request-id")

VALUE_NAMES = ("value", "parameter_value", "paramter_value")
"""Where a declared parameter keeps its value; the last is the documentation's own spelling."""

# A refused signature may be answered with the text that the server signed, and the security token is part of it.
_TOKEN = re.compile(r"""x-(?:obs-|amz-)?security-token["']?\s*[:=]\s*["']?[^\s"',;<>&]+""", re.IGNORECASE)

# Three elements are wanted, so no XML parser is given the chance to expand an entity. No part of the pattern may
# cross a "<": that keeps the search linear.
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?(Code|Message|RequestId)(?:\s[^<>]*)?>([^<]*)</")


class _Words(NamedTuple):
    """What an error's body says."""

    code: str = ""
    message: str = ""
    request_id: str = ""


_NO_WORDS = _Words()


def read(reply: Reply | Lost) -> Answer:
    """Read a reply. The body is known by its first byte: neither errors nor starts have a dependable `Content-Type`."""
    if isinstance(reply, Lost):
        return Answer(message=_legible(reply.detail), fault=reply.fault)
    status, headers, content = reply.status, reply.headers, reply.body
    date = headers.get("date", "")
    if status in SUCCESS:
        body = _object(content)
        request_id = (_first(body, REQUEST_ID_NAMES) if body else "") or _first(headers, REQUEST_ID_HEADERS)
        return Answer(status, "", "", request_id, "", date, body)
    words = _words(content)
    return Answer(
        status,
        words.code,
        words.message or _elsewhere(status, headers),
        words.request_id or _first(headers, REQUEST_ID_HEADERS),
        headers.get("retry-after", ""),
        date,
    )


def started(answer: Answer) -> Execution | None:
    """Give the execution that a start's answer names, None where it names none.

    https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html
    """
    body = answer.body
    name = _text(body, "execution_name")
    return Execution(name, _text(body, "execution_urn"), _text(body, "started_at")) if name else None


def workflow(answer: Answer) -> Workflow | None:
    """Give the workflow that an answer describes, None where any of its parameters cannot be read.

    https://support.huaweicloud.com/en-us/api-obs/obs_04_0123.html
    """
    definition = _get(answer.body, "definition")
    if not isinstance(definition, dict):
        return None
    parameters = {}
    for name, entry in _named(definition.get("inputs") or {}):
        parameter = _parameter(name, entry)
        if parameter is None:
            return None
        parameters[parameter.name] = parameter
    return Workflow(_text(answer.body, "name"), parameters, _triggers(definition.get("event_defs")))


def page(answer: Answer) -> Page | None:
    """Give a page of the execution list, None where it cannot be read whole.

    An execution that was overlooked would look like a row that was never started. So a page without its list, with a
    nameless execution, or with more to come and no marker that leads there, is not read at all.
    https://support.huaweicloud.com/en-us/api-obs/obs_04_0128.html
    """
    listed = _get(answer.body, "executions")
    if listed is None and _get(answer.body, "count") == 0:
        listed = []
    marker = _text(answer.body, "next_marker")
    truncated = _get(answer.body, "is_truncated")
    if truncated is None:
        truncated = bool(marker)
    if not isinstance(listed, list) or not isinstance(truncated, bool) or (truncated and not marker):
        return None
    executions = tuple(_listed(entry) for entry in listed)
    if not all(execution.name for execution in executions):
        return None
    return Page(executions, marker if truncated else "")


def detail(answer: Answer) -> ExecutionDetail | None:
    """Give the execution that an answer describes, None where it names none or its input cannot be read.

    https://support.huaweicloud.com/en-us/api-obs/obs_04_0129.html
    """
    info = _get(answer.body, "execution_info")
    name = _text(info, "execution_name")
    text = _input(_get(info, "input"))
    if not name or text is None:
        return None
    return ExecutionDetail(
        name,
        _text(info, "execution_urn"),
        _text(info, "execution_type"),
        _text(info, "execution_state"),
        _text(info, "started_at"),
        text,
    )


def _input(value: Json) -> str | None:
    """Give the text of an input. It is documented as text that holds JSON; the JSON itself means the same."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # Read, but nested too deep to be written.
        return None


def _object(content: bytes | str) -> dict[str, Json] | None:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _words(content: bytes) -> _Words:
    first = content.lstrip()[:1]
    text = content.decode("utf-8", "replace")
    if first == b"{":
        body = _object(text) or {}
        return _Words(*(_first(body, names) for names in (CODE_NAMES, MESSAGE_NAMES, REQUEST_ID_NAMES)))
    if first == b"<":
        # The first of a name wins. Cut before the references are resolved: a long one is an error to `unescape`.
        elements = {name: raw[:LONGEST] for name, raw in reversed(_ELEMENT.findall(text))}
        return _Words(*(_legible(html.unescape(elements.get(name, ""))) for name in ("Code", "Message", "RequestId")))
    return _Words()


def _elsewhere(status: int, headers: Mapping[str, str]) -> str:
    location = headers.get("location", "")
    return _legible(f"redirected to {location}") if status in REDIRECT and location else ""


def _first(fields: Mapping[str, Json], names: tuple[str, ...]) -> str:
    """Give the first of these fields that says something; numbers, which some codes are, as text."""
    for value in map(fields.get, names):
        if value is None or value == "":
            continue
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return _legible(str(value))
    return ""


def _legible(text: str) -> str:
    """Make text fit for one line of a terminal: short, nothing unprintable, no security token."""
    text = text.strip()[:LONGEST]
    if text.isalnum():
        # A request id, in every answer: it holds neither blanks nor a token's name.
        return text
    if not text.isprintable():
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return _TOKEN.sub("[security token]", text)


def _get(fields: Json, name: str) -> Json:
    return fields.get(name) if isinstance(fields, dict) else None


def _text(fields: Json, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""


def _named(inputs: Json) -> list[tuple[Json, Json]]:
    """Give the declared parameters by name, from the map of an existing workflow or the array that created it."""
    if isinstance(inputs, dict):
        return list(inputs.items())
    if isinstance(inputs, list):
        return [(_get(entry, "parameter_name"), entry) for entry in inputs]
    return [(None, inputs)]


def _parameter(name: Json, entry: Json) -> Parameter | None:
    if not isinstance(name, str) or not name or not isinstance(entry, dict):
        return None
    valued = any(_get(entry, key) not in (None, "") for key in VALUE_NAMES)
    default = entry.get("default")
    return Parameter(
        name,
        _text(entry, "type").lower(),
        valued or default is not None,
        _constraints(entry.get("constraints")),
        # Whether an empty default is one is nowhere said; it is the caller's to warn, not to refuse.
        has_blank_default=not valued and default == "",
    )


def _constraints(value: Json) -> Mapping[str, Json]:
    """Read constraints, which are a map when a workflow is created and a text that holds JSON ever after."""
    if isinstance(value, str):
        value = _object(value)
    return value if isinstance(value, dict) else {}


def _triggers(events: Json) -> tuple[str, ...]:
    entries = list(events.values()) if isinstance(events, dict) else events
    buckets = [_text(entry, "trigger_bucket") for entry in entries] if isinstance(entries, list) else []
    return tuple(dict.fromkeys(bucket for bucket in buckets if bucket))


def _listed(entry: Json) -> ListedExecution:
    return ListedExecution(
        _text(entry, "execution_name"),
        _text(entry, "execution_urn"),
        _text(entry, "execution_type"),
        _text(entry, "execution_state"),
        _text(entry, "started_at"),
        _text(entry, "stopped_at"),
    )
