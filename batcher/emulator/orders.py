"""Parses and checks the body of a start, as the service documents it. Pure.

The rules are in https://support.huaweicloud.com/en-us/api-obs/obs_04_0127.html; the error codes in
https://support.huaweicloud.com/en-us/api-obs/obs_04_0115.html and
https://support.huaweicloud.com/api-dwr/ErrorCode_0.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple, NoReturn, TypeGuard

from batcher.emulator.answers import Refusal, json_refusal, xml_refusal
from batcher.emulator.settings import Declared, ParameterType
from batcher.model import Json

MAX_BODY = 256 * 1024
"""Maximum bytes in a start's body. Not documented; this is the limit of the underlying engine (FunctionGraph)."""
MAX_KEY = 1024
"""Maximum bytes in an object's key in UTF-8."""

BODY_TOO_LONG = json_refusal(400, "SYS.0012", "The request body is too long.")
INCOMPLETE_BODY = xml_refusal(400, "IncompleteBody", "The body is shorter than its Content-Length.")
KEY_TOO_LONG = xml_refusal(400, "KeyTooLongError", "The object's key is too long.")

TYPES: Mapping[ParameterType, tuple[type, ...]] = {
    ParameterType.STRING: (str,),
    ParameterType.INTEGER: (int,),
    ParameterType.FLOAT: (float, int),
    ParameterType.BOOLEAN: (bool,),
    ParameterType.LIST: (list,),
    ParameterType.MAP: (dict,),
}


class Order(NamedTuple):
    """What a valid body asks for. `inputs` is empty if the body has none."""

    bucket: str
    object: str
    inputs: Mapping[str, Json]


def read_order(body: bytes, declared: Mapping[str, Declared]) -> Order | Refusal:
    """Parse the body of a start for a workflow with these declared parameters."""
    try:
        # Not the JSON library that the client uses: a bug in it must not go unnoticed here.
        order = _decoder.decode(body.decode())
    except (ValueError, RecursionError):
        return _bad_body("The body is not JSON in UTF-8.")
    if not isinstance(order, dict):
        return _bad_body("The body is not a JSON object.")
    bucket, object_ = order.get("bucket"), order.get("object")
    if not _is_name(bucket) or not _is_name(object_):
        return _bad_body("bucket and object must be strings that are not empty.")
    if len(object_.encode()) > MAX_KEY:
        return KEY_TOO_LONG
    # The official SDK sends null if there are none.
    inputs = {} if order.get("inputs") is None else order["inputs"]
    if not isinstance(inputs, dict):
        return _bad_body("inputs must be an object.")
    return _check_inputs(inputs, declared) or Order(bucket, object_, inputs)


def _check_inputs(inputs: Mapping[str, Json], declared: Mapping[str, Declared]) -> Refusal | None:
    for name, value in inputs.items():
        parameter = declared.get(name)
        if parameter is None:
            return json_refusal(400, "Workflow.0009", f"The workflow has no parameter {name}.")
        if not _fits(value, parameter.type):
            return json_refusal(400, "Workflow.0006", f"The value of {name} is not of type {parameter.type}.")
    return None


def _fits(value: Json, type_: ParameterType) -> bool:
    # In Python a bool is an int; for the service it is not.
    if isinstance(value, bool):
        return type_ is ParameterType.BOOLEAN
    return isinstance(value, TYPES[type_])


def _is_name(value: Json) -> TypeGuard[str]:
    """Return whether the text can be a name: not empty, and no lone surrogate, which UTF-8 cannot encode."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad_body(message: str) -> Refusal:
    return json_refusal(400, "SYS.0010", message)


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python accepts but JSON does not define."""
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
