"""The command line of given options: what a command passes on to processes that it starts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from batcher.options.declaring import Options, declared_by
from batcher.options.kinds import FLAG


def words_of(options: Options, *, without: Collection[str] = ()) -> Iterator[str]:
    """Yield the flags with the values that were given, except for those named in `without`. Arguments may follow."""
    for each in declared_by(type(options)):
        if each.option.is_argument or each.name in without or not options.has(each.name):
            continue
        shown = each.show(getattr(options, each.name))
        if each.kind is FLAG:
            if shown:
                yield each.flag
        else:
            for value in shown if isinstance(shown, list) else [shown]:
                if value is not None:
                    # In one word, so that a value may begin with a dash.
                    yield f"{each.flag}={value}"
    # What follows is no flag, whatever it begins with.
    yield "--"
