"""How the service shows an execution's times: in UTC as documented, or in one of the odd ways that the quirks choose.

Pure: times are POSIX seconds, chance is the seeded lot of the object.
"""

from __future__ import annotations

from batcher.emulator.answers import service_time
from batcher.emulator.executions import Execution
from batcher.emulator.faults import lot
from batcher.emulator.quirks import Quirk, number
from batcher.emulator.settings import Settings
from batcher.model import Json
from batcher.rules.service.signing import http_date

HOUR = 3600.0
ZONES = (Quirk.LOCAL_TIME, Quirk.ZONELESS, Quirk.ZONED)
MINUTE_ENDS, DAY_ENDS = len("2026-11-24T08:30"), len("2026-11-24")


def shown_start(execution: Execution, settings: Settings) -> Json:
    """Show when an execution started: as text, or as a number since 1970."""
    quirks = settings.quirks
    jitter = number(quirks, Quirk.TIME_JITTER)
    if jitter:
        jitter *= 2 * lot(settings.seed, "jitter", execution.bucket, execution.object) - 1
    return _shown(execution.started_at + number(quirks, Quirk.QUEUE) + jitter, settings)


def shown_end(execution: Execution, settings: Settings, now: float) -> Json:
    """Show when an execution ended, as an empty text while it runs."""
    return "" if now < execution.ends_at else _shown(execution.ends_at, settings)


def _shown(at: float, settings: Settings) -> Json:
    quirks = settings.quirks
    hours = sum(number(quirks, quirk) for quirk in ZONES)
    at += hours * HOUR
    if Quirk.NO_TIMES in quirks:
        return ""
    if Quirk.EPOCH_MS in quirks:
        return round(at * 1000)
    if Quirk.EPOCH_S in quirks:
        return int(at)
    if Quirk.HTTP_TIMES in quirks:
        return http_date(at)
    text = service_time(at).removesuffix("Z")
    if Quirk.DAYS_ONLY in quirks:
        return text[:DAY_ENDS]
    return (text[:MINUTE_ENDS] if Quirk.MINUTES_ONLY in quirks else text) + _zone(settings, hours)


def _zone(settings: Settings, hours: float) -> str:
    if Quirk.ZONED in settings.quirks:
        minutes = round(abs(hours) * 60)
        return f"{'-' if hours < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return "" if Quirk.ZONELESS in settings.quirks else "Z"
