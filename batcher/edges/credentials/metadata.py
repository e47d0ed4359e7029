"""Credentials of the ECS that this process runs on: temporary ones of its agency, from the metadata service.

Its paths: https://support.huaweicloud.com/intl/en-us/usermanual-ecs/ecs_03_0166.html. Some servers require a token. The
names of its headers differ between the two SDKs that support it, so both are sent:
https://github.com/huaweicloud/huaweicloud-sdk-python-v3 and https://github.com/huaweicloud/huaweicloud-sdk-python-obs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from batcher.edges.credentials.found import Found, Send
from batcher.errors import CredentialsError
from batcher.model import Credentials, Fault, Lost, Reply
from batcher.rules.service.credentials import is_key, read_agency, read_security_key

TOKEN = "/meta-data/latest/api/token"  # noqa: S105 - a path
SECURITY_KEY = "/openstack/latest/securitykey"
SERVER = "/openstack/latest/meta_data.json"

_TTL_HEADERS = dict.fromkeys(("X-Metadata-Token-Ttl-Seconds", "X-securitykey-Token-Ttl-Seconds"), "21600")
_TOKEN_HEADERS = ("X-Metadata-Token", "X-securitykey-Token")
_PAUSES = (0.2, 1.0)
"""Seconds to wait before each further request when the service fails."""


async def in_metadata(send: Send, pauses: Sequence[float] = _PAUSES) -> Found | str:
    """Return the agency's credentials, or why there are none: this is not an ECS, or the ECS has no agency."""
    found = await _ask(send, pauses)
    return found if isinstance(found, str) else Found(found, partial(_renew, send, pauses))


async def _renew(send: Send, pauses: Sequence[float]) -> Credentials:
    found = await _ask(send, pauses)
    if isinstance(found, str):
        raise CredentialsError(found, "Check the agency of this ECS, then run the same command again.")
    return found


async def _ask(send: Send, pauses: Sequence[float]) -> Credentials | str:
    for pause in (*pauses, None):
        answer, headers = await _ask_once(send)
        if pause is None or not _is_trouble(answer):
            break
        await asyncio.sleep(pause)
    if isinstance(answer, Lost):
        return f"no answer from the ECS metadata service ({answer.detail})"
    if answer.status != HTTPStatus.OK:
        return f"the ECS metadata service has no credentials (HTTP {answer.status}); check that the ECS has an agency"
    server = await send("GET", SERVER, headers, None)
    agency = "" if isinstance(server, Lost) else read_agency(server.body)
    credentials = read_security_key(answer.body, f"ECS agency {agency}".strip())
    return credentials or "the answer of the ECS metadata service contains no credentials"


async def _ask_once(send: Send) -> tuple[Reply | Lost, dict[str, str]]:
    """Ask for the credentials, with a token if the service issues one. Return the answer and the token's headers."""
    answer = await send("PUT", TOKEN, _TTL_HEADERS, None)
    if isinstance(answer, Lost):
        return answer, {}
    token = answer.body.decode("ascii", "replace").strip()
    headers = dict.fromkeys(_TOKEN_HEADERS, token) if answer.status == HTTPStatus.OK and is_key(token) else {}
    return await send("GET", SECURITY_KEY, headers, None), headers


def _is_trouble(answer: Reply | Lost) -> bool:
    """Return whether a retry may help. If nothing listens, there is no metadata service."""
    if isinstance(answer, Lost):
        return answer.fault is Fault.LOST
    return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS
