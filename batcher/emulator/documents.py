"""Workflows and executions in the JSON format of the service. Pure: the time is an argument.

The formats are those of the pages obs_04_0123 and obs_04_0127 to obs_04_0130 of
https://support.huaweicloud.com/en-us/api-obs/ .
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from batcher.emulator.answers import service_time
from batcher.emulator.executions import Execution, Listing
from batcher.emulator.settings import Declared, InputKeys, InputShape, Quirk, Settings
from batcher.model import Json

AHEAD = 8 * 3600.0
"""Seconds by which the time in China is ahead of UTC."""
REGION, PROJECT, DOMAIN = "local", "emulator", "loopback"


def graph_urn(graph: str) -> str:
    """Return a workflow's URN."""
    return f"urn:fgs:{REGION}:{PROJECT}:graph:{graph}:{DOMAIN}"


def execution_urn(execution: Execution) -> str:
    """Return an execution's URN."""
    return f"urn:fgs:{REGION}:{PROJECT}:execution:{execution.graph}:{execution.name}:{DOMAIN}"


def start_document(execution: Execution) -> Json:
    """Return the answer to a start."""
    return {
        "execution_urn": execution_urn(execution),
        "started_at": service_time(execution.started_at),
        "execution_name": execution.name,
    }


def restore_document(execution: Execution, now: float) -> Json:
    """Return the answer to a restore."""
    return {
        "execution_urn": execution_urn(execution),
        "execution_name": execution.name,
        "restored_at": service_time(now),
    }


def workflow_document(graph: str, declared: Mapping[str, Declared], triggers: Sequence[str], created_at: float) -> Json:
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
    document = {
        "count": total if Quirk.COUNT_ALL in settings.quirks else len(listing.executions),
        "is_truncated": bool(listing.next_marker),
        "executions": [_item(each, settings, now) for each in listing.executions],
    }
    return document | {"next_marker": listing.next_marker} if listing.next_marker else document


def _item(execution: Execution, settings: Settings, now: float) -> Json:
    item = {"graph_urn": graph_urn(execution.graph), **_summary(execution, now)}
    if Quirk.LOCAL_TIME in settings.quirks:
        item["started_at"] = service_time(execution.started_at + AHEAD)
    return item


def execution_document(execution: Execution, settings: Settings, now: float) -> Json:
    """Describe one execution."""
    summary = _summary(execution, now)
    step = {
        "state_name": "run",
        "status": summary["execution_state"],
        "type": "OPERATION",
        "started_at": summary["started_at"],
        "input": "",
    }
    return {
        "execution_info": {
            "input": _input(execution, settings),
            "isTest": False,
            "graph_urn": graph_urn(execution.graph),
            **summary,
            "start_state": "run",
            "state_map": {"run": step},
        }
    }


def _summary(execution: Execution, now: float) -> dict[str, str]:
    return {
        "execution_urn": execution_urn(execution),
        "execution_name": execution.name,
        "execution_type": execution.type.value,
        "execution_state": execution.state(now).value,
        "started_at": service_time(execution.started_at),
        "stopped_at": "" if now < execution.ends_at else service_time(execution.ends_at),
    }


def _input(execution: Execution, settings: Settings) -> str:
    """Write what an execution was started with, in the format that the settings choose: it is not documented."""
    key = execution.object.removeprefix("/") if settings.strip_leading_slash else execution.object
    key = unicodedata.normalize("NFC", key).strip() if Quirk.KEYS_NORMALISED in settings.quirks else key
    inputs = _inputs(execution, settings)
    content: Json = {"bucket": execution.bucket, "object": key, **inputs}
    if settings.input_shape is InputShape.RECORDS:
        key = quote(key) if settings.input_keys is InputKeys.ENCODED else key
        event = {"obs": {"bucket": {"name": execution.bucket}, "object": {"key": key}}}
        content = {"Records": [event], **inputs}
    text = json.dumps(content, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if settings.input_twice else text


def _inputs(execution: Execution, settings: Settings) -> dict[str, Json]:
    inputs = execution.inputs
    if Quirk.INPUTS_ADDED in settings.quirks:
        declared = settings.workflows[execution.graph].items()
        inputs = {name: parameter.default for name, parameter in declared if parameter.default is not None} | inputs
    if Quirk.INPUTS_AS_TEXT in settings.quirks:
        inputs = {name: value if isinstance(value, str) else json.dumps(value) for name, value in inputs.items()}
    return {} if Quirk.INPUTS_LOST in settings.quirks else {"inputs": inputs}
