"""Which dialect an API has, and which API an endpoint has. Dialects are chosen only here. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from batcher.model import Described, Workflow
from batcher.rules.choices import Api
from batcher.rules.service import verdicts
from batcher.rules.service.dialect import Dialect
from batcher.rules.service.obs_v2 import OBS_V2
from batcher.rules.service.verdicts import SUCCESS

_OBS = re.compile(r"obs\..+\.myhuaweicloud\.(?:com|eu)")
_DWR = re.compile(r"dwr\.([^.]+)\.myhuaweicloud\.(?:com|eu)")


def dialect_of(api: Api, endpoint: str = "", project: str = "") -> Dialect:
    """Return the dialect of an API, for requests to an endpoint about a project.

    Without these, only what concerns names can be used: those of workflows, endpoints and regions.
    """
    if api is not Api.DWR_V3:
        return OBS_V2
    # Imported here, since most jobs speak the other one.
    from batcher.rules.service.dwr_v3 import dwr_v3  # noqa: PLC0415

    return dwr_v3(urlsplit(endpoint).netloc, project)


def api_of_host(endpoint: str) -> Api:
    """Return the API that an endpoint of Huawei Cloud has, AUTO for any other address."""
    host = urlsplit(endpoint).hostname or ""
    if _OBS.fullmatch(host):
        return Api.OBS_V2
    return Api.DWR_V3 if _DWR.fullmatch(host) else Api.AUTO


def dwr_region(endpoint: str) -> str | None:
    """Return the region of an endpoint of DWR, None for any other address."""
    found = _DWR.fullmatch(urlsplit(endpoint).hostname or "")
    return found[1] if found else None


def chosen(obs: Described[Workflow], dwr: Described[Workflow]) -> Api:
    """Return the API that an endpoint has, by its answers to the question of each API for the workflow.

    If both answers show as much, it is OBS v2.
    """
    return Api.DWR_V3 if _evidence(dwr) > _evidence(obs) else Api.OBS_V2


def _evidence(answer: Described[Workflow]) -> int:
    """Return how much an answer shows that the endpoint has the API."""
    if answer.noun is not None:
        return 2
    is_refusal = answer.fault is None and answer.status not in SUCCESS
    return int(is_refusal and not verdicts.is_unproven(answer) and not verdicts.serves_no_workflows(answer))
