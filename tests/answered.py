"""Answers as the service gives them: an error with its meaning, looked up in the table of the OBS v2 API."""

from batcher.model import Answer
from batcher.rules.service.obs_v2 import OBS_V2


def answered(status=0, code="", *words, kind=Answer, **fields):
    """Make an answer; the arguments are those of Answer."""
    return kind(status, code, *words, meaning=OBS_V2.errors.meaning(status, code), **fields)
