"""The arguments of the library: options, rows, and what the environment sets for every program.

Its errors and messages name arguments in place of flags.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import AsyncIterable, Collection, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, TypeAlias

from msgspec import structs

from batcher.app.job_places import located
from batcher.app.voice import ERROR, WARNING, Voice
from batcher.app.world import World
from batcher.edges.manifest.given import GivenRows, PassedRows
from batcher.errors import JobError, UsageError
from batcher.options.declaring import Derived, Options, declared_by
from batcher.options.verbs import RunOptions
from batcher.options.wording import as_arguments
from batcher.rules.choices import Format, Mode

Manifest: TypeAlias = RunOptions | str | os.PathLike[str] | GivenRows
"""What a job starts: the options of a job, the path of a manifest, or the rows themselves."""

_LOGGER = logging.getLogger("batcher")
_LEVELS = {WARNING: logging.WARNING, ERROR: logging.ERROR}


def signature(struct: type[Options] = RunOptions, without: Collection[str] = ()) -> inspect.Signature:
    """Return the signature of a function from the declarations, for `help(batcher.run)` and for editors."""
    parameters = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD if each.option.is_argument else inspect.Parameter.KEYWORD_ONLY,
            default=_default(each.default) if not each.is_required else inspect.Parameter.empty,
            annotation=each.kind.python,
        )
        for each in declared_by(struct)
        if each.name not in without
    ]
    parameters.append(inspect.Parameter("environment", inspect.Parameter.KEYWORD_ONLY, default=None))
    return inspect.Signature(sorted(parameters, key=lambda each: each.kind))


def _default(value: object) -> object:
    return None if isinstance(value, Derived) else value


def prepared(
    given: Manifest, arguments: Mapping[str, Any], environment: Mapping[str, str] | None
) -> tuple[RunOptions, World]:
    """Return the options of a job and its world. Raises UsageError for wrong arguments, before anything is opened."""
    world = World(
        voice=Voice(log),
        environment=os.environ if environment is None else environment,
        # Signals are left to the program.
        draining_on_signals=lambda _drain, _say: nullcontext(),
    )
    try:
        if isinstance(given, RunOptions | str | os.PathLike):
            return _options(given, arguments, world.environment), world
        return _options_for_rows(given, arguments, world.environment), _with_rows(world, given)
    except JobError as error:
        raise in_arguments(error) from None


def _with_rows(world: World, rows: GivenRows) -> World:
    return structs.replace(world, open_manifest=lambda _path, _format, choice: PassedRows(rows, choice))


def _options_for_rows(rows: object, arguments: Mapping[str, Any], environment: Mapping[str, str]) -> RunOptions:
    if not isinstance(rows, Iterable | AsyncIterable):
        raise UsageError(
            f"MANIFEST: {type(rows).__name__} is neither a path nor rows",
            "Give a path, RunOptions, or an iterable of keys or mappings.",
        )
    if "format" in arguments:
        raise UsageError("--format: rows that a program passes have no format", "Remove it.")
    if not arguments.get("shard") and not all(arguments.get(name) for name in ("checkpoint", "output")):
        raise UsageError(
            "rows that a program passes have no name to derive files from", "Give --checkpoint FILE and --output FILE."
        )
    return _options("-", {**arguments, "format": Format.JSONL}, environment)


def _options(
    given: RunOptions | str | os.PathLike[str], arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> RunOptions:
    """Make the options from the arguments. Raises UsageError for wrong arguments, before anything is opened."""
    passed: dict[str, Any] = {**arguments, "manifest": given}
    options = given if isinstance(given, RunOptions) else RunOptions(**passed)
    if given is options and arguments:
        raise TypeError(f"RunOptions and {', '.join(arguments)} cannot be combined; use one of them")
    if not any(options.has(name) for name in RunOptions.alternatives):
        options = options.but(**_shared(environment))
    options = located(options)
    if options.progress is Mode.AUTO:
        options = options.but(progress=Mode.NONE)
    # Derive these options now, so that a missing one is reported before anything is opened.
    _ = options.endpoint, options.checkpoint, options.output
    return options


def _shared(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment sets for all programs. The BATCHER_ variables apply to the command only."""
    return {
        each.name: environment[name]
        for each in declared_by(RunOptions)
        for name in each.option.shared_environment
        if environment.get(name)
    }


def in_arguments(error: JobError, struct: type[Options] = RunOptions) -> JobError:
    """Return the same error with arguments in place of flags."""
    return type(error)(as_arguments(str(error), struct), as_arguments(error.advice, struct))


def log(kind: str, text: str, struct: type[Options] = RunOptions) -> None:
    """Pass what a command would print on to the logger, with arguments in place of flags."""
    _LOGGER.log(_LEVELS.get(kind, logging.INFO), "%s", as_arguments(text, struct))
