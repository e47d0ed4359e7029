"""The limit that the gateway before the service names when it refuses a request. Pure.

It writes `The throttling threshold has been reached: policy user over ratelimit,limit:100,time:1 minute`, see
https://support.huaweicloud.com/intl/en-us/ocr_faq/ocr_01_0041.html.
"""

from __future__ import annotations

import re

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
"""The units of time in these texts."""

LEAST, MOST = 0.001, 1e6
"""Limits in requests per second that are believed. Others are a placeholder or an error."""

_NAMED = re.compile(
    r"\bover ratelimit, ?limit: ?([0-9]{1,12}), ?time: ?([0-9]{1,6}) ?(second|minute|hour|day)s?(?![\w-])",
    re.IGNORECASE | re.ASCII,
)


def gateway_limit(message: str) -> float | None:
    """Return the limit that a refusal names, in requests per second. None if it names none that can be believed."""
    found = _NAMED.search(message)
    if found is None or not int(found[2]):
        return None
    limit = int(found[1]) / (int(found[2]) * SECONDS[found[3].lower()])
    return limit if LEAST <= limit <= MOST else None
