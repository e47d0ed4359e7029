"""The label of an answer: the word that counts it. From a bounded set, whatever the service may say. Pure.

Each value of a label is a series of its own to whoever keeps them: https://prometheus.io/docs/practices/naming/#labels.
"""

from __future__ import annotations

from http import HTTPStatus

from batcher.model import Answer
from batcher.rules.service import verdicts

OTHER = "other"

_CODES = {code.lower(): code for rule in verdicts.RULES for code in rule.codes.split()}
_STATUSES = {status.value: str(status.value) for status in HTTPStatus}


def label(answer: Answer) -> str:
    """Give the service's code where the verdicts' table knows it, else the HTTP status; a fault by its name."""
    if answer.fault is not None:
        return answer.fault.value
    return _CODES.get(answer.code.lower()) or _STATUSES.get(answer.status, OTHER)
