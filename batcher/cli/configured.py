"""The flags of a verb beyond the command line: each has a name in the environment and a key in `batcher.toml`.

Nothing is listed here a second time: what there is to set is read off the verbs' own functions. A flag on the command
line comes first, then the environment, then the file, then the default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command

from batcher.app.voice import complain, say
from batcher.errors import JobError

ALTERNATIVES = (("endpoint", "region"),)
"""Flags that say the same in two ways: the one that is given more directly counts alone."""

SPOKEN = frozenset({"i-accept-one-start"})
"""Flags that hold for the one command that they are given to: what is paid for is not accepted once and for all."""

_DIRECT = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT")
"""Where a value may come from, the most direct first, by click's names."""
_PLACES, _FILE = "batcher.places", "batcher.file"
"""What is kept in a context's `meta`, with the verb's name, since a context shares it with those around it."""


class Place(NamedTuple):
    """Where in a file a value stands: `key` as a person would look for it, with its table."""

    file: Path
    key: str


class Verb(TyperCommand):
    """A verb whose flags may be set outside of the command line. Its types are click's, which typer hides."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words, then let the more direct of two alternatives stand."""
        rest = super().parse_args(ctx, args)
        for pair in ALTERNATIVES:
            _choose(ctx, pair)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Name what the file has set, and do it."""
        used = [place for name, place in places(ctx).items() if source(ctx, name) == "DEFAULT_MAP"]
        if used:
            say(f"settings of {used[0].file}: {', '.join(place.key for place in used)}")
        return super().invoke(ctx)


def configured(command: Any) -> Any:
    """Give a verb's command the flag --config, and each of its other flags its name in the environment."""
    for option in command.params:
        if option.type.name.startswith("float"):
            option.callback = _finite
    for option in options(command):
        option.envvar = option.envvar or f"BATCHER_{key(option).replace('-', '_').upper()}"
    command.params += [option for option in get_command(_EVERYWHERE).params if option.name == "config"]
    return command


def options(command: Any) -> list[Any]:
    """Give the flags of a verb that can be set."""
    flags = [param for param in command.params if param.param_type_name == "option" and param.name != "config"]
    return [flag for flag in flags if key(flag) not in SPOKEN]


def key(option: Any) -> str:
    """Give a flag's key: its long name without the dashes."""
    return str(max(option.opts, key=len)).removeprefix("--")


def source(ctx: Any, name: str) -> str:
    """Say where a value comes from: COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (the file) or DEFAULT."""
    found = ctx.get_parameter_source(name)
    return "DEFAULT" if found is None else str(found.name)


def places(ctx: Any) -> Mapping[str, Place]:
    """Say where in the file the values stand that it has for this verb, by the names of its arguments."""
    found: Mapping[str, Place] = ctx.meta.get(f"{_PLACES}.{ctx.info_name}", {})
    return found


def config_file(ctx: Any) -> Path | None:
    """Give the file that --config or BATCHER_CONFIG names, None where neither does."""
    file: Path | None = ctx.meta.get(f"{_FILE}.{ctx.info_name}")
    return file


def _finite(ctx: Any, param: Any, value: float | None) -> float | None:
    """Refuse what is no number of anything: NaN is not under any bound, and so passes every one."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.", ctx, param)
    return value


def _choose(ctx: Any, names: tuple[str, str]) -> None:
    given = [name for name in names if ctx.params.get(name) is not None]
    if len(given) < len(names):
        return
    ranks = {name: _DIRECT.index(source(ctx, name)) for name in given}
    if set(ranks.values()) == {0}:
        raise typer.BadParameter(f"{' and '.join(f'--{name}' for name in names)} say the same: give one of them.", ctx)
    for name in given:
        if ranks[name] > min(ranks.values()):
            ctx.params[name] = None
            ctx.set_parameter_source(name, type(ctx.get_parameter_source(name)).DEFAULT)


def _load(ctx: typer.Context, path: Path | None) -> Path | None:
    """Let the file's values be the defaults. It is read before the other flags are, and only when a verb runs."""
    if ctx.resilient_parsing:
        return path
    # Imported late: most commands have no such file.
    from batcher.cli.config_file import values  # noqa: PLC0415

    try:
        found = values(ctx.command, path)
    except JobError as error:
        complain(error)
        raise typer.Exit(error.exit_code) from None
    ctx.meta[f"{_FILE}.{ctx.info_name}"] = path
    ctx.default_map = {name: value for name, (value, _) in found.items()}
    ctx.meta[f"{_PLACES}.{ctx.info_name}"] = {name: place for name, (_, place) in found.items()}
    return path


def _everywhere(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="A file with defaults for flags.  [default: batcher.toml, where there is one]",
            envvar="BATCHER_CONFIG",
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_load,
        ),
    ] = None,
) -> None:
    """Stands for the flag that every verb has."""


_EVERYWHERE = typer.Typer(add_completion=False, rich_markup_mode=None)
_EVERYWHERE.command()(_everywhere)
