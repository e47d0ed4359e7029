"""The rules of credentials: how answers give them, when they are due for renewal, and how they are shown. Pure."""

from __future__ import annotations

import re

import orjson

from batcher.errors import UsageError
from batcher.model import Credentials, Json
from batcher.rules.service.clock import posix

RENEW_BEFORE = 600.0
"""Credentials are due for renewal from this many seconds before they expire."""

METADATA = "http://169.254.169.254"
"""The metadata service of every ECS (https://support.huaweicloud.com/intl/en-us/usermanual-ecs/ecs_03_0166.html)."""

_SHOWN = 4
_THIS_MACHINE = re.compile(r"http://127\.0\.0\.1:([1-9][0-9]{0,4})")
_MOST_PORT = 65535


def is_key(value: str) -> bool:
    """Return whether a header can contain this value: ASCII only, without spaces and line breaks."""
    return value != "" and value.isascii() and value.isprintable() and " " not in value


def is_due(credentials: Credentials, now: float) -> bool:
    """Return whether credentials expire so soon that they are due for renewal. `now` is POSIX seconds."""
    return credentials.expires_at is not None and credentials.expires_at - now <= RENEW_BEFORE


def described(credentials: Credentials) -> str:
    """Say where the credentials were found and how the access key ends, if it is not a short one."""
    key = credentials.access_key
    return credentials.source + (f", access key ...{key[-_SHOWN:]}" if len(key) > 2 * _SHOWN else "")


def read_security_key(body: bytes, source: str) -> Credentials | None:
    """Read the temporary credentials in an answer of the metadata service, None where there are none.

    The answer has the form of https://support.huaweicloud.com/api-iam/iam_04_0101.html.
    """
    credential = _part(body, "credential")
    access_key, secret_key, token = (_text(credential, name) for name in ("access", "secret", "securitytoken"))
    if not all(map(is_key, (access_key, secret_key, token))):
        return None
    return Credentials(access_key, secret_key, token, source, posix(_text(credential, "expires_at")))


def read_agency(body: bytes) -> str:
    """Read the name of the agency that provides an ECS with credentials from the server's metadata; empty if absent.

    The field's name: https://support.huaweicloud.com/api-ecs/zh-cn_topic_0167957246.html.
    """
    name = _text(_part(body, "meta"), "agency_name")
    return name if is_key(name) else ""


def _part(body: bytes, name: str) -> dict[str, Json]:
    """Return one object of a JSON document, empty if it is missing."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    part = document.get(name) if isinstance(document, dict) else None
    return part if isinstance(part, dict) else {}


def _text(fields: dict[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def metadata_address(setting: str) -> str:
    """Return the metadata service's address. A setting may replace it by a stand-in on this machine only.

    Raises UsageError: credentials from another machine on the network are never used.
    """
    if not setting:
        return METADATA
    stand_in = _THIS_MACHINE.fullmatch(setting)
    if stand_in is None or int(stand_in[1]) > _MOST_PORT:
        raise UsageError(
            "the stand-in for the metadata service is not on this machine",
            "BATCHER_METADATA_URL is for tests: unset it, or give http://127.0.0.1:PORT.",
        )
    return setting
