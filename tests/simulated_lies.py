"""The lies of the simulated service, as one table: what its list, its details and its answers show but the truth.

A lie changes what a client is shown, or when a start is committed. It never changes the ledger. Several lies combine:
each changes what the ones before have made of the truth.
"""

import html
import json
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

TIMEOUT = 30.0
"""Seconds after which the client gives up a request."""
MOST_LIES = 4
SHARE = 0.4
"""The share of the starts that a lie about answers or lateness strikes."""
HOURS = (8.0, -5.0, 1.0, 5.5)
LONG = (75.0, 20.0, 7.0)
"""Seconds by which a time may be off that is not by hours."""


def truth(value, *_about):
    """Change nothing."""
    return value


class Lie(NamedTuple):
    """A lie by the places where it changes something. The first argument is changed; the others say what it is about.

    Times are true POSIX seconds. What depends on an execution is drawn by its name, so that it stays as it is.
    """

    listed: Callable[..., Any] = truth
    """The executions that are listed, the time."""
    page: Callable[..., Any] = truth
    """A page, the markers of what follows in the list."""
    seen: Callable[..., Any] = truth
    """The time that the list is of."""
    list_date: Callable[..., Any] = truth
    """The `Date` of a page, the time. None for no `Date`."""
    date: Callable[..., Any] = truth
    """The `Date` of any answer. None for no `Date`."""
    at: Callable[..., Any] = truth
    """The time of an execution in the list and in its detail, its name."""
    time: Callable[..., Any] = truth
    """How such a time is written, the time."""
    name: Callable[..., Any] = truth
    type: Callable[..., Any] = truth
    """The type of an execution, its name."""
    urn: Callable[..., Any] = truth
    detail: Callable[..., Any] = truth
    """The name of the execution whose detail is shown, the executions by name, the time. None for none."""
    content: Callable[..., Any] = truth
    """The name of the execution whose content is shown under the name that was asked for, the executions by name."""
    bucket: Callable[..., Any] = truth
    key: Callable[..., Any] = truth
    inputs: Callable[..., Any] = truth
    """The inputs in a detail. None for none."""
    input: Callable[..., Any] = truth
    """The whole text of what an execution was started with."""
    commit: Callable[..., Any] = truth
    """The seconds until a start is committed and then answered."""
    late: Callable[..., Any] = truth
    """The seconds after a lost answer until its start is committed."""
    answer: str = ""
    """How some starts are answered: with the name of the start before, and `same` is started, `stale` is not."""
    has_neighbour: bool = False
    """Whether the list shows another workflow as well, in which somebody starts each object too."""
    is_in_answers: bool = False
    """Whether the answer to a start shows the time as the list does."""


class Lies:
    """The lies of one service by their names."""

    def __init__(self, lies):
        self.names = tuple(lies)
        self._lies = tuple(lies.values())

    def told(self, what, value, *about):
        """Give what becomes of a value, one lie after the other."""
        for lie in self._lies:
            value = getattr(lie, what)(value, *about)
        return value

    def having(self, what):
        """Give the first of the lies' values of this name that says something."""
        return next(filter(None, (getattr(lie, what) for lie in self._lies)), "")


def lot(name, purpose=""):
    """Draw for an execution, by its name."""
    return Random(f"{purpose} {name}").random()


def told_names(seed):
    """Draw the names of the lies of a seed: none to four."""
    dice = Random(f"lies of {seed}")
    return dice.sample(list(LIES), dice.randint(0, MOST_LIES))


def lies_of(names, seed, settle_time):
    """Make the lies of these names. `settle_time` is the client's, in seconds."""
    dice = Random(f"the lies' own dice of {seed}")
    return Lies({name: LIES[name](dice, settle_time) for name in names})


# Times


def _hours_off(write):
    def lie(dice, _settle_time):
        hours = dice.choice(HOURS)
        return Lie(
            at=lambda at, _: at + hours * 3600, time=lambda _, at: write(at, hours), is_in_answers=dice.random() < 0.3
        )

    return lie


def _iso(at):
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _with_its_zone(dice, _settle_time):
    zone = timezone(timedelta(hours=dice.choice(HOURS)))
    return Lie(time=lambda _, at: datetime.fromtimestamp(at, zone).isoformat(timespec="milliseconds"))


def _off(dice, _settle_time):
    seconds = dice.choice(LONG)
    return Lie(at=lambda at, name: at + seconds * 2 * (lot(name) - 0.5), is_in_answers=dice.random() < 0.3)


def _rounded(seconds):
    return lambda dice, _: Lie(at=lambda at, _: at - at % seconds, is_in_answers=dice.random() < 0.3)


def _queue(dice, _settle_time):
    seconds = dice.choice(LONG)
    return Lie(at=lambda at, _: at + seconds)


def _written(write):
    return lambda *_: Lie(time=lambda _, at: write(at))


# The list's extent


def _missing(dice, _settle_time):
    share = dice.choice((0.2, 0.5, 0.9))
    return Lie(listed=lambda executions, _: [each for each in executions if lot(each.name) > share])


def _hole(dice, _settle_time):
    length = dice.choice((2.0, 30.0, 600.0))
    return Lie(listed=lambda executions, _: [each for each in executions if each.at % (2 * length) > length])


def _vanish(dice, _settle_time):
    seconds = dice.choice((0.0, 5.0, 60.0))
    return Lie(listed=lambda executions, now: [each for each in executions if now <= each.at + seconds])


def _newest_only(dice, _settle_time):
    most = dice.choice((1, 3, 6))
    return Lie(listed=lambda executions, _: sorted(executions, key=lambda each: each.at)[-most:])


def _no_more(page, _markers):
    return {**page, "is_truncated": False}


def _first_page_only(page, _markers):
    return {name: value for name, value in page.items() if name != "next_marker"} | {"is_truncated": False}


def _skipping(dice, _settle_time):
    skip = dice.choice((1, 2, 1000))

    def page(page, markers):
        # The marker is that of the last entry before the next page.
        lost = markers[:skip]
        return {**page, "next_marker": lost[-1]} if "next_marker" in page and lost else page

    return Lie(page=page)


def _counted_above(dice, settle_time):
    missing = _missing(dice, settle_time)
    return missing._replace(page=lambda page, markers: {**page, "count": page["count"] + len(markers) + 3})


# Caches


def _cached(is_date_true):
    def lie(dice, settle_time):
        age = dice.choice((0.2 * settle_time, 60.0, 3600.0))
        date = truth if is_date_true else (lambda _, now: now)
        return Lie(seen=lambda now: now - age, list_date=date)

    return lie


def _snapshot(dice, _settle_time):
    every = dice.choice((20.0, 600.0))
    return Lie(seen=lambda now: now - now % every)


def _date_off(dice, _settle_time):
    seconds = dice.choice((-3600.0, -60.0, 60.0, 3600.0))
    return Lie(list_date=lambda date, _: None if date is None else date + seconds)


# Details, identities


def _other(share, purpose):
    def other(name, executions, *_):
        others = [each for each in executions if each != name]
        return others[int(lot(name) * len(others))] if others and lot(name, purpose) < share else name

    return other


def _shared(field):
    return lambda dice, _: Lie(**{field: _other(dice.choice((1.0, 0.5)), field)})


def _details_vanish(dice, _settle_time):
    seconds = dice.choice((0.0, 20.0))
    return Lie(detail=lambda name, executions, now: name if now <= executions[name].at + seconds else None)


# Contents

KEY_FORMS = {
    "percent-decoded": unquote,
    "plus-decoded": unquote_plus,
    "percent-encoded": quote,
    "percent-encoded with its slashes": lambda key: quote(key, safe=""),
    "plus-encoded": lambda key: quote_plus(key, safe="/"),
    "with doubled slashes": lambda key: key.replace("/", "//"),
    "with merged slashes": lambda key: re.sub("/+", "/", key),
    "with trimmed slashes": lambda key: key.strip("/"),
    "without slashes": lambda key: key.replace("/", ""),
    "with one more slash": lambda key: f"/{key}",
    "as NFC": lambda key: unicodedata.normalize("NFC", key),
    "as NFD": lambda key: unicodedata.normalize("NFD", key),
    "as NFKC": lambda key: unicodedata.normalize("NFKC", key),
    "in lower case": str.lower,
    "in upper case": str.upper,
    "with entities": html.escape,
    "with question marks": lambda key: key.encode("ascii", "replace").decode(),
    "as Latin-1": lambda key: key.encode().decode("latin-1"),
    "cut": lambda key: key[:12],
}
"""How a key may be shown."""


def _each_value(change):
    return lambda inputs: None if inputs is None else {name: change(value) for name, value in inputs.items()}


def _as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


INPUT_FORMS = {
    "as text": _each_value(_as_text),
    "with fractions": _each_value(lambda value: float(value) if type(value) is int else value),
    "masked": _each_value(lambda _: "***"),
    "empty": _each_value(lambda _: ""),
    "with blanks": _each_value(lambda value: f" {value} " if isinstance(value, str) else value),
    "with defaults": lambda inputs: inputs and {"speed": 1, **inputs},
    "with one of the service": lambda inputs: None if inputs is None else {**inputs, "x-request-id": "01AB"},
    "without null": lambda inputs: inputs and {name: value for name, value in inputs.items() if value is not None},
    "in another order": lambda inputs: inputs and dict(reversed(inputs.items())),
    "absent": lambda _: None,
}
"""How inputs may be shown; None are those that an earlier lie has left out."""


# Commits


def _late_commit(dice, settle_time):
    # Listed within the settle time nevertheless, also if the client dies at once: a list lags by up to 0.6 of it.
    least = TIMEOUT if settle_time > 4 * TIMEOUT else 0.0
    return Lie(commit=lambda s: least + dice.uniform(0, 0.1) * settle_time if dice.random() < SHARE else s)


def _late_after_a_loss(dice, settle_time):
    return Lie(late=lambda _: dice.uniform(0, 0.05) * settle_time)


def _just(**places):
    return lambda *_: Lie(**places)


LIES = {
    "times: local, with Z": _hours_off(lambda at, _: _iso(at).replace("+00:00", "Z")),
    "times: local, without a zone": _hours_off(lambda at, _: _iso(at).removesuffix("+00:00")),
    "times: with their zone": _with_its_zone,
    "times: minutes only": _rounded(60.0),
    "times: days only": _rounded(86_400.0),
    "times: of leaving a queue": _queue,
    "times: off by some seconds": _off,
    "times: milliseconds since 1970": _written(lambda at: math.floor(at * 1000)),
    "times: milliseconds since 1970 as text": _written(lambda at: str(math.floor(at * 1000))),
    "times: seconds since 1970 as text": _written(lambda at: str(math.floor(at))),
    "times: like a Date": _written(lambda at: formatdate(at, usegmt=True)),
    "times: none": _written(lambda _: ""),
    "names: in upper case": _just(name=str.upper),
    "names: with a prefix": _just(name=lambda name: f"transcode:{name}"),
    "names: cut": _just(name=lambda name: name[:16]),
    "types: TRIGGERCALL": _just(type=lambda *_: "TRIGGERCALL"),
    "types: TRIGGERCAL for some": _just(type=lambda type_, name: "TRIGGERCAL" if lot(name) < SHARE else type_),
    "types: unknown": _just(type=lambda *_: "MANUAL"),
    "types: none": _just(type=lambda *_: ""),
    "types: in lower case": _just(type=lambda type_, _: type_.lower()),
    "list: is_truncated false beside a next_marker": _just(page=_no_more),
    "list: the first page only": _just(page=_first_page_only),
    "list: pages lost": _skipping,
    "list: counted above its entries": _counted_above,
    "list: empty": _just(listed=lambda *_: []),
    "list: some never": _missing,
    "list: a hole": _hole,
    "list: finished executions vanish": _vanish,
    "list: the newest only": _newest_only,
    "cache: old pages with their Date": _cached(is_date_true=True),
    "cache: old pages with a new Date": _cached(is_date_true=False),
    "cache: pages change now and then": _snapshot,
    "cache: Date off": _date_off,
    "cache: no Date on pages": _just(list_date=lambda *_: None),
    "cache: no Date at all": _just(date=lambda _: None),
    "filters: the workflow is ignored": _just(has_neighbour=True),
    "filters: the workflow is ignored, no URN": _just(has_neighbour=True, urn=lambda _: ""),
    "filters: URN of another workflow": _just(urn=lambda urn: urn.replace("transcode", "another")),
    "filters: no URN": _just(urn=lambda _: ""),
    "details: of another execution": _shared("detail"),
    "details: content of another execution": _shared("content"),
    "details: vanish": _details_vanish,
    "bucket: in upper case": _just(bucket=str.upper),
    "bucket: with its domain": _just(bucket=lambda bucket: f"{bucket}.obs.example.com"),
    "bucket: none": _just(bucket=lambda _: ""),
    **{f"key: {name}": _just(key=form) for name, form in KEY_FORMS.items()},
    **{f"inputs: {name}": _just(inputs=form) for name, form in INPUT_FORMS.items()},
    "input: empty": _just(input=lambda _: ""),
    "commit: after the timeout": _late_commit,
    "commit: after a lost connection": _late_after_a_loss,
    "answers: one name for two starts": _just(answer="same"),
    "answers: that of the start before": _just(answer="stale"),
}
"""Makes each lie from dice and the client's settle time. The part of a name before the colon is its kind."""
