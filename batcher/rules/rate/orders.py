"""What a person can ask of a run that sends, and what is answered. Pure."""

from __future__ import annotations

from math import inf

from batcher.rules.text import plain

PAUSED = "nothing new is sent until batcher resume; requests on the wire are finished"
RESUMED = "sending continues"
DRAINED = "nothing new is sent; the run ends when all requests on the wire have finished"
UNKNOWN = "this run does not know this request"


def capped(rate: float | None, max_rate: float) -> tuple[float, str]:
    """Return the maximum rate when a person asks for `rate`, None for any, and the answer. `max_rate` may be infinity.

    Rates are in starts per second.
    """
    most = min(rate or inf, max_rate)
    if most == inf:
        return most, "the rate adapts to the service"
    if rate is None:
        return most, f"the rate adapts to the service, up to --max-rate {plain(most)}"
    return most, f"at most {plain(most)} starts per second" + (" (--max-rate)" if most < rate else "")
