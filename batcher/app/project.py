"""Asks IAM for the project of an endpoint's region."""

from __future__ import annotations

from urllib.parse import urlsplit

from batcher.app.service import open_credentials
from batcher.app.world import World
from batcher.errors import UsageError
from batcher.flow.drain import Drain
from batcher.flow.service import Send
from batcher.model import Credentials, Lost, Reply
from batcher.options.groups import Service
from batcher.rules.service import projects
from batcher.rules.service.clock import posix_of_header
from batcher.rules.service.dialect import Call
from batcher.rules.service.dialects import dwr_region
from batcher.rules.service.names import endpoint as endpoint_of

NO_PROJECT = "DWR v3 needs the id of a project"
ASKED_SECONDS = 10.0
"""Time limit of a request to IAM."""
_UNAUTHORIZED = 401
_SKEW = 60.0
"""Seconds by which a clock must be off for a second request to IAM, dated by the answer to the first."""


async def looked_up(options: Service, url: str, world: World, drain: Drain) -> str:
    """Ask IAM for the project of the endpoint's region, and say which one it is."""
    region = dwr_region(url)
    if region is None:
        raise UsageError(f"{NO_PROJECT}, and {url} is in no known region", "Give --project-id.")
    address = world.environment.get(projects.IAM_ENDPOINT) or projects.iam_endpoint(region)
    iam = endpoint_of(address, allow_http=options.allow_http).url
    found: list[projects.Project] = []
    said = ""
    async with (
        open_credentials(options.credentials, world, drain, world.voice.warn) as credentials,
        world.connect(iam, connections=1, timeout=ASKED_SECONDS, verify_tls=options.trust) as transport,
    ):
        for call in projects.calls(region):
            reply = await _ask_iam(transport.send, credentials.current, call, urlsplit(iam).netloc, world)
            said = reply.detail if isinstance(reply, Lost) else f"HTTP {reply.status}"
            found = [] if isinstance(reply, Lost) else projects.projects_of(reply)
            if any(each.name == region for each in found):
                break
    project = projects.project_of(region, found, said)
    world.voice.say(f"project {project.id} ({project.name}), as IAM says")
    return project.id


async def _ask_iam(send: Send, credentials: Credentials, call: Call, host: str, world: World) -> Reply | Lost:
    """Send one request, and once more by the time of IAM if this machine's clock may be wrong."""
    now = world.clock()
    for _ in range(2):
        reply = await send(call.method, projects.target_of(call), projects.signed(credentials, call, host, now), None)
        served = None if isinstance(reply, Lost) else posix_of_header(reply.headers.get("date", ""))
        if isinstance(reply, Lost) or reply.status != _UNAUTHORIZED or served is None or abs(served - now) < _SKEW:
            break
        now = served
    return reply
