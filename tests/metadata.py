"""The metadata service of an ECS, on loopback: it hands out the keys that a test gives it, by either variant."""

import json
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

TOKEN = "metadata-token-0123456789=="
VARIANTS = {
    "v3": ("X-Metadata-Token-Ttl-Seconds", "X-Metadata-Token"),
    "obs": ("X-securitykey-Token-Ttl-Seconds", "X-securitykey-Token"),
}
"""The headers of the service's own token, as the two official SDKs name them."""


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict


class Metadata:
    """`keys` are the answers about keys, each a document or raw bytes, handed out in turn; the last one stays.

    `troubles` are statuses to answer with first.

    `variant` names the headers by which a token is given and required; without it there are no tokens, and `no_token`
    is the status of who asks for one.
    """

    def __init__(self):
        self.keys = []
        self.variant = None
        self.no_token = 404
        self.troubles = []
        self.agency = None
        self.asked = []
        self.url = ""

    @property
    def times(self):
        """How often keys were asked for."""
        return sum(asked.path == "/openstack/latest/securitykey" for asked in self.asked)

    async def token(self, request):
        self._note(request)
        if self.variant is None:
            return web.Response(status=self.no_token, text="Not Found")
        assert request.headers[VARIANTS[self.variant][0]] == "21600"
        return web.Response(text=TOKEN)

    async def securitykey(self, request):
        self._note(request)
        if self.variant is not None and request.headers.get(VARIANTS[self.variant][1]) != TOKEN:
            return web.Response(status=401, text="Unauthorized")
        if self.troubles:
            return web.Response(status=self.troubles.pop(0))
        if not self.keys:
            return web.Response(status=404, text="Please configure Cloud Service Agency first")
        keys = self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]
        return web.Response(body=keys if isinstance(keys, bytes) else json.dumps(keys).encode())

    async def server(self, request):
        self._note(request)
        meta = {} if self.agency is None else {"agency_name": self.agency}
        return web.json_response({"uuid": "d8e02d56", "meta": meta})

    def _note(self, request):
        self.asked.append(Asked(request.method, request.path, dict(request.headers)))


def lent(access, secret, token, expires_at="2026-11-24T20:30:00.587000Z"):
    """Write temporary keys as the service does."""
    return {"credential": {"access": access, "secret": secret, "securitytoken": token, "expires_at": expires_at}}


@asynccontextmanager
async def metadata_service():
    service = Metadata()
    app = web.Application()
    app.router.add_put("/meta-data/latest/api/token", service.token)
    app.router.add_get("/openstack/latest/securitykey", service.securitykey)
    app.router.add_get("/openstack/latest/meta_data.json", service.server)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        await runner.cleanup()
