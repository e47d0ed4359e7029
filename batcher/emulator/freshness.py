"""How old the list and the details are, and what time their `Date` shows. Pure: times are POSIX seconds."""

from __future__ import annotations

from batcher.emulator.quirks import Quirk, number
from batcher.emulator.settings import Settings


def list_as_of(settings: Settings, now: float) -> float:
    """Return the time whose state the list shows at `now`: an earlier one if it comes from a cache."""
    at = now - number(settings.quirks, Quirk.LIST_CACHE)
    period = number(settings.quirks, Quirk.LIST_SNAPSHOT)
    return at - at % period if period else at


def list_date(settings: Settings, now: float) -> float | None:
    """Return the time that the list's `Date` shows, None if it has none."""
    if Quirk.LIST_UNDATED in settings.quirks:
        return None
    return list_as_of(settings, now) + number(settings.quirks, Quirk.LIST_DATE)


def detail_as_of(settings: Settings, now: float) -> float:
    """Return the time whose state a detail shows, which is also that of its `Date`."""
    return now - number(settings.quirks, Quirk.DETAIL_CACHE)
