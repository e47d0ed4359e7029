"""Workflows and executions in the JSON format of the service. Pure: the time is an argument.

The formats are those of the pages obs_04_0123 and obs_04_0127 to obs_04_0130 of
https://support.huaweicloud.com/en-us/api-obs/ .
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from batcher.emulator.answers import service_time
from batcher.emulator.executions import Execution, ExecutionState, Listing
from batcher.emulator.quirks import Quirk, number, text
from batcher.emulator.retelling import shown_bucket, shown_inputs, shown_key
from batcher.emulator.settings import Declared, InputKeys, InputShape, Settings
from batcher.emulator.shown_times import shown_end, shown_start
from batcher.model import Json

MESSAGES = {
    ExecutionState.FAILED: "The media cannot be decoded.",
    ExecutionState.TIMEOUT: "The step timed out after 300 s.",
}
"""The messages of steps that fail."""
REGION, PROJECT, DOMAIN = "local", "emulator", "loopback"


def graph_urn(graph: str) -> str:
    """Return a workflow's URN."""
    return f"urn:fgs:{REGION}:{PROJECT}:graph:{graph}:{DOMAIN}"


def execution_urn(execution: Execution) -> str:
    """Return an execution's URN."""
    return f"urn:fgs:{REGION}:{PROJECT}:execution:{execution.graph}:{execution.name}:{DOMAIN}"


def start_document(execution: Execution, settings: Settings) -> dict[str, Json]:
    """Return the answer to a start."""
    is_odd = Quirk.START_TIMES_TOO in settings.quirks
    return {
        "execution_urn": execution_urn(execution),
        "started_at": shown_start(execution, settings) if is_odd else service_time(execution.started_at),
        "execution_name": execution.name,
    }


def restore_document(execution: Execution, now: float) -> Json:
    """Return the answer to a restore."""
    return {
        "execution_urn": execution_urn(execution),
        "execution_name": execution.name,
        "restored_at": service_time(now),
    }


def workflow_document(
    graph: str, declared: Mapping[str, Declared], triggers: Sequence[str], created_at: float
) -> dict[str, Json]:
    """Describe a workflow. Here its `inputs` are a map; the call that creates a workflow takes an array."""
    return {
        "name": graph,
        "description": "",
        "created_at": service_time(created_at),
        "graph_urn": graph_urn(graph),
        "definition": {
            "agency": "emulator",
            "event_defs": {bucket: _trigger(bucket) for bucket in triggers},
            "states": {},
            "inputs": {name: _parameter(parameter) for name, parameter in declared.items()},
        },
    }


def _trigger(bucket: str) -> Json:
    return {
        "event_source": "OBS",
        "trigger_bucket": bucket,
        "trigger_type": ["ObjectCreated:*"],
        "trigger_prefix": "",
        "trigger_suffix": "",
    }


def _parameter(parameter: Declared) -> Json:
    entry = {
        "value": "",
        "template_parameter_name": "",
        "type": parameter.type.value,
        "label": "",
        "constraints": json.dumps(parameter.constraints),
        "invisible": False,
        "description": "",
    }
    return entry if parameter.default is None else entry | {"default": parameter.default}


def listing_document(listing: Listing, total: int, settings: Settings, now: float) -> Json:
    """Return a page of the list, with `total` executions in all. Items have no bucket, object or inputs."""
    bulk = {"note": "x" * int(1024 * number(settings.quirks, Quirk.BULKY))} if Quirk.BULKY in settings.quirks else {}
    is_truncated = bool(listing.next_marker) and Quirk.HIDDEN_TRUNCATION not in settings.quirks
    document = {
        "count": total if Quirk.COUNT_ALL in settings.quirks else len(listing.executions),
        "is_truncated": is_truncated,
        "executions": [summary_of(each.as_of(now), settings, now) | bulk for each in listing.executions],
    }
    return document | {"next_marker": listing.next_marker} if listing.next_marker else document


def execution_document(execution: Execution, settings: Settings, now: float) -> dict[str, Json]:
    """Describe one execution."""
    summary = summary_of(execution, settings, now)
    if Quirk.LIST_TIMES_ONLY in settings.quirks:
        summary |= _true_times(execution, now)
    step = {
        "state_name": "run",
        "status": summary["execution_state"],
        "type": "OPERATION",
        "started_at": summary["started_at"],
        "input": "",
    } | failure_of(execution, now)
    return {
        "execution_info": {
            "input": "" if Quirk.INPUT_EMPTY in settings.quirks else input_of(execution, settings),
            "isTest": False,
            **summary,
            "start_state": "run",
            "state_map": {"run": step},
        }
    }


def failure_of(execution: Execution, now: float) -> dict[str, Json]:
    """Return the message of the step that failed, if one has. Only the answers of DWR v3 are documented to have one."""
    message = MESSAGES.get(execution.state(now))
    return {} if message is None else {"error_message": message}


def summary_of(execution: Execution, settings: Settings, now: float) -> dict[str, Json]:
    """Return what the list and a detail show alike."""
    quirks = settings.quirks
    named = replace(
        execution,
        name=execution.name.upper() if Quirk.NAMES_UPPER in quirks else execution.name,
        graph=f"{execution.graph}-other" if Quirk.OTHER_URN in quirks else execution.graph,
    )
    summary: dict[str, Json] = {
        "graph_urn": graph_urn(named.graph),
        "execution_urn": execution_urn(named),
        "execution_name": named.name,
        "execution_type": text(quirks, Quirk.TYPE, execution.type),
        "execution_state": text(quirks, Quirk.STATE, execution.state(now)),
        "started_at": shown_start(execution, settings),
        "stopped_at": shown_end(execution, settings, now),
    }
    if Quirk.NO_URN in quirks:
        del summary["graph_urn"], summary["execution_urn"]
    return summary


def _true_times(execution: Execution, now: float) -> dict[str, Json]:
    return {
        "started_at": service_time(execution.started_at),
        "stopped_at": "" if now < execution.ends_at else service_time(execution.ends_at),
    }


def input_of(execution: Execution, settings: Settings) -> str:
    """Write what an execution was started with, in the format that the settings choose: it is not documented."""
    bucket = shown_bucket(execution.bucket, settings.quirks)
    key = execution.object.removeprefix("/") if settings.strip_leading_slash else execution.object
    key = shown_key(key, settings.quirks)
    shown = shown_inputs(execution.inputs, settings.workflows[execution.graph], settings.quirks)
    inputs = {} if shown is None else {"inputs": shown}
    content: Json = {"bucket": bucket, "object": key, **inputs}
    if settings.input_shape is InputShape.RECORDS:
        key = quote(key) if settings.input_keys is InputKeys.ENCODED else key
        event = {"obs": {"bucket": {"name": bucket}, "object": {"key": key}}}
        content = {"Records": [event], **inputs}
    content_text = json.dumps(content, ensure_ascii=False)
    return json.dumps(content_text, ensure_ascii=False) if settings.input_twice else content_text
