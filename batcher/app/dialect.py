"""The dialect that a command speaks where it is not given another: the one place that chooses it."""

from batcher.rules.service.obs_v2 import OBS_V2

DIALECT = OBS_V2
