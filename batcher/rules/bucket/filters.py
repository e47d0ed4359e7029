"""Which of a bucket's objects are wanted: patterns, suffixes, sizes, times and storage classes. Pure.

Patterns are those of rclone (https://rclone.org/filtering/): `*` and `?` stay within a folder, `**` does not, and a
pattern fits at the end of a key, after a slash; with a slash in front it fits the whole key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import ge, lt
from typing import Any, NamedTuple

from batcher.errors import UsageError
from batcher.rules.bucket.page import ObjectPage
from batcher.rules.service.clock import posix
from batcher.rules.text import duration

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGTP])i?)?B?", re.ASCII | re.IGNORECASE)
_UNITS = "KMGTP"
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_SHOWN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
"""The form in which the service shows times. Texts of this form are in the order of their times."""


class When(NamedTuple):
    """A moment: POSIX seconds, or an age in seconds. `text` is what the user gave."""

    text: str
    at: float | None = None
    age: float = 0.0

    def time(self, now: float) -> float:
        """Return POSIX seconds. `now` is the service's time."""
        return now - self.age if self.at is None else self.at


class Wanted(NamedTuple):
    """Which objects are wanted. What is empty or None excludes nothing."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    min_size: int | None = None
    max_size: int | None = None
    newer: When | None = None
    older: When | None = None
    storage_classes: frozenset[str] = frozenset()

    @property
    def needs_time(self) -> bool:
        """Whether an age has to be counted back from the service's time."""
        return any(each is not None and each.at is None for each in (self.newer, self.older))

    def described(self) -> dict[str, object]:
        """Return what a list is made with, for the comparison with a later command."""
        shown = {name: value.text if isinstance(value, When) else value for name, value in self._asdict().items()}
        shown["storage_classes"] = sorted(self.storage_classes)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items() if value}


def size_of(text: str) -> int:
    """Read a size in bytes: `1048576`, `1M`, `1MiB` or `1.5G`. Units are powers of 1024. Raises UsageError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError("not a size", "Give bytes, or a size such as 100K, 10M or 1.5G (powers of 1024).")
    power = 0 if found[2] is None else _UNITS.index(found[2].upper()) + 1
    return int(float(found[1]) * 1024**power)


def when_of(text: str) -> When:
    """Read a date (UTC unless it has a zone), or an age such as `7d` or `12h`. Raises UsageError."""
    text = text.strip()
    try:
        if not _DATE.fullmatch(text):
            return When(text, age=duration(text))
        moment = datetime.fromisoformat(text)
    except (UsageError, ValueError):
        raise UsageError(
            "neither a date nor an age", "Give a date such as 2026-11-01 or 2026-11-01T06:30Z, or an age such as 7d."
        ) from None
    return When(text, at=(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def pattern_of(glob: str) -> re.Pattern[str]:
    """Compile a pattern. Raises UsageError if its brackets or braces do not match."""
    body, is_anchored = (glob[1:], True) if glob.startswith("/") else (glob, False)
    if body.endswith("/"):
        body += "**"
    try:
        text = _regex(body)
        return re.compile(text if is_anchored else f"(?:.*/)?{text}", re.DOTALL)
    except (re.error, ValueError):
        raise UsageError("not a pattern", "Close each [ with ] and each { with }, or write \\[ and \\{.") from None


_ONE = re.compile(r"\*\*|\*|\?|\\(.)|\[[!^]?\]?[^\]]*\]|[\[{},]|[^*?\\\[{},]+|\\", re.DOTALL)


def _regex(glob: str) -> str:
    found, depth = [], 0
    for each in _ONE.finditer(glob):
        part = each[0]
        if part in _PARTS:
            found.append(_PARTS[part])
        elif each[1] is not None:
            found.append(re.escape(each[1]))
        elif part in {"[", "\\"}:
            raise ValueError
        elif part.startswith("["):
            negated = part[1] in "!^"
            inner = part[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[")
            found.append(f"[{'^/' if negated else ''}{inner.replace(']', chr(92) + ']')}]")
        elif part == "{":
            depth += 1
            found.append("(?:")
        elif part == "}" and depth:
            depth -= 1
            found.append(")")
        elif part == "," and depth:
            found.append("|")
        else:
            found.append(re.escape(part))
    if depth:
        raise ValueError
    return "".join(found)


_PARTS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}

Keeps = Callable[[ObjectPage], ObjectPage]
"""Returns a page with the wanted objects only. Raises ValueError if the list does not show what is asked about."""


def keeper(wanted: Wanted, now: float) -> Keeps:
    """Return the filter. Ages are counted back from `now`, in POSIX seconds."""
    include = [pattern_of(glob).fullmatch for glob in wanted.include]
    exclude = [pattern_of(glob).fullmatch for glob in wanted.exclude]
    of_keys: list[Callable[[str], object]] = []
    if include:
        of_keys.append(lambda key: any(fits(key) for fits in include))
    if exclude:
        of_keys.append(lambda key: not any(fits(key) for fits in exclude))
    if wanted.suffixes:
        of_keys.append(lambda key: key.endswith(wanted.suffixes))
    # Last, since it looks at every object whatever the others say.
    others = _of_columns(wanted, now)

    def kept(page: ObjectPage) -> ObjectPage:
        places: Sequence[int] = range(len(page.keys))
        for fits in of_keys:
            places = [at for at in places if fits(page.keys[at])]
        for column, fits_cell in others:
            cells = getattr(page, column)
            places = [at for at in places if fits_cell(cells[at])]
        return page if len(places) == len(page.keys) else page.part(places)

    return kept


def utf8_only(page: ObjectPage) -> ObjectPage:
    """Return the objects whose keys are UTF-8. No request can name any other."""
    try:
        "".join(page.keys).encode()
    except UnicodeEncodeError:
        return page.part([at for at, key in enumerate(page.keys) if _is_utf8(key)])
    return page


def _is_utf8(key: str) -> bool:
    return not any("\udc80" <= char <= "\udcff" for char in key)


def _of_columns(wanted: Wanted, now: float) -> list[tuple[str, Callable[[str], bool]]]:
    checks: list[tuple[str, Callable[[str], bool]]] = []
    least, most = wanted.min_size, wanted.max_size
    if least is not None or most is not None:
        low, high = least or 0, most
        checks.append(("sizes", lambda size: low <= _known(size) and (high is None or _known(size) <= high)))
    if wanted.newer is not None:
        begin = wanted.newer.time(now)
        checks.append(("modified", _comparison(begin, ge)))
    if wanted.older is not None:
        end = wanted.older.time(now)
        checks.append(("modified", _comparison(end, lt)))
    if wanted.storage_classes:
        classes = wanted.storage_classes
        checks.append(("classes", lambda class_: (class_.upper() or "STANDARD") in classes))
    return checks


def _known(size: str) -> int:
    if not (size.isascii() and size.isdecimal()):
        raise ValueError("the list shows no size for an object, so that --min-size and --max-size cannot be used")
    return int(size)


def _comparison(limit: float, fits: Callable[[Any, Any], bool]) -> Callable[[str], bool]:
    """Compare times with a limit: as texts in the service's form, otherwise as numbers."""
    text = datetime.fromtimestamp(limit, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def compared(shown: str) -> bool:
        if _SHOWN_TIME.fullmatch(shown):
            return fits(shown, text)
        at = posix(shown)
        if at is None:
            raise ValueError("the list shows no time for an object, so that --newer and --older cannot be used")
        return fits(at, limit)

    return compared
