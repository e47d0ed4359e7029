"""The texts of a help: options in panels by group, each with its meaning, default, bounds and environment variable.

The help on a terminal and the manual page use the same entries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from batcher.options.declaring import Declared, Derived, Options, declared_by
from batcher.options.groups import GROUPS, General
from batcher.options.kinds import FLAG
from batcher.rules.text import plain

HELP_ENTRY = ("-h, --help", "Show this message and exit.")

Entry = tuple[str, str]


def panels(struct: type[Options]) -> list[tuple[str, list[Entry]]]:
    """Return the headings of a verb's help, each with its entries: first the arguments, then the options by group."""
    declared = (*declared_by(struct), *declared_by(General))
    arguments = [each for each in declared if each.option.is_argument]
    found = [("Arguments", [entry(each) for each in arguments])] if arguments else []
    for group in GROUPS:
        members = [entry(each) for each in declared if each.group == group and not each.option.is_argument]
        if group == General.group:
            members.append(HELP_ENTRY)
        if members:
            found.append((group, members))
    return found


def entry(declared: Declared) -> Entry:
    """Return the term of an option and its meaning."""
    if declared.option.is_argument:
        return declared.metavar, declared.option.help
    flags = ", ".join(filter(None, (declared.option.short, declared.flag)))
    return f"{flags} {declared.metavar}".rstrip(), f"{declared.option.help}  [{'; '.join(_notes(declared))}]"


def _notes(declared: Declared) -> Iterable[str]:
    if declared.is_required:
        yield "required"
    if declared.kind.is_repeated:
        yield "repeatable"
    if declared.kind.choices and not declared.kind.is_repeated:
        yield f"{'one of ' if len(declared.kind.choices) > 1 else ''}{', '.join(declared.kind.choices)}"
    if declared.bounds and (declared.option.least or declared.option.most):
        yield declared.bounds
    default = shown_default(declared)
    if default:
        yield f"default: {default}"
    if declared.environment:
        yield f"env: {', '.join(declared.environment)}"
    if declared.option.is_spoken:
        yield "command line only"


def shown_default(declared: Declared) -> str:
    """Return a default as people read it. Return an empty text if there is none to show."""
    value = declared.default
    is_empty = value is None or (isinstance(value, Collection) and not value)
    if declared.option.default or isinstance(value, Derived) or is_empty or declared.kind is FLAG:
        return declared.option.default
    shown = declared.kind.show(value)
    if isinstance(shown, list):
        return ", ".join(map(str, shown))
    return f"{plain(shown)}{declared.kind.unit}" if isinstance(shown, float) else str(shown)


def usage(struct: type[Options]) -> str:
    """Return what follows the verb in the usage line."""
    arguments = [_optional(each) for each in declared_by(struct) if each.option.is_argument]
    return " ".join(["[OPTIONS]", *arguments])


def _optional(argument: Declared) -> str:
    shown = argument.metavar if argument.is_required else f"[{argument.metavar}]"
    return f"{shown}..." if argument.kind.is_repeated else shown
