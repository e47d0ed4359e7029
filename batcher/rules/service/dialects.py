"""The default dialect. It is chosen only here. Pure."""

from __future__ import annotations

from batcher.rules.service.obs_v2 import OBS_V2

DIALECT = OBS_V2
