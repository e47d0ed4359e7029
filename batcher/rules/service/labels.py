"""The label of an answer: the word that counts it. From a bounded set, whatever the service may say. Pure.

Each value of a label is a series of its own to whoever keeps them: https://prometheus.io/docs/practices/naming/#labels.
"""

from __future__ import annotations

from http import HTTPStatus

from batcher.model import Answer

OTHER = "other"

_STATUSES = {status.value: str(status.value) for status in HTTPStatus}


def label(answer: Answer) -> str:
    """Give the service's code where the dialect's table knows it, else the HTTP status; a fault by its name."""
    if answer.fault is not None:
        return answer.fault.value
    return answer.meaning.label or _STATUSES.get(answer.status, OTHER)
