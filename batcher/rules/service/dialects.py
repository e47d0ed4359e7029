"""The dialect that is spoken unless another is given: the one place that chooses it. Pure."""

from __future__ import annotations

from batcher.rules.service.obs_v2 import OBS_V2

DIALECT = OBS_V2
