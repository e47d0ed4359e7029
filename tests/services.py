"""A service made of plain functions: what is not asked for is what a test needs least."""

import time

from batcher.flow.ask import Patience
from batcher.flow.credentials import CredentialsInUse
from batcher.flow.service import Clock, Service
from batcher.model import Credentials
from batcher.rules.service.obs_v2 import OBS_V2

CREDENTIALS = Credentials("AK1", "secret-1")


async def _no_time(_):
    """Wait without waiting."""


def service_of(
    send,
    *,
    name="demo",
    credentials=CREDENTIALS,
    renew=None,
    wall=time.time,
    steady=time.monotonic,
    sleep=_no_time,
    stopped=lambda: False,
    warn=print,
    dialect=OBS_V2,
):
    """Make a service that sends with `send`."""
    in_use = CredentialsInUse(credentials, renew, wall)
    return Service(dialect, name, send, in_use, Clock(wall, steady), Patience(sleep, stopped, lambda: 0.0), warn)
