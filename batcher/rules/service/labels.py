"""The label under which an answer is counted. The set of labels is bounded, whatever the service answers. Pure.

Each value of a label is a separate time series: https://prometheus.io/docs/practices/naming/#labels.
"""

from __future__ import annotations

from http import HTTPStatus

from batcher.model import Answer

OTHER = "other"

_STATUSES = {status.value: str(status.value) for status in HTTPStatus}


def label(answer: Answer) -> str:
    """Return the service's code if the dialect's table has it, else the HTTP status; for a fault, its name."""
    if answer.fault is not None:
        return answer.fault.value
    return answer.meaning.label or _STATUSES.get(answer.status, OTHER)
