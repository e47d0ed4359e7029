"""The flags of a verb, made from its struct: read by click, and put together with the environment and `batcher.toml`.

Of several sources the most direct counts: the command line, then the environment, then the file, then the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from batcher.cli.help import panels, usage
from batcher.cli.verbs import module_of
from batcher.errors import UsageError
from batcher.options.declaring import Declared, Options, combined, declared_by
from batcher.options.groups import General
from batcher.options.kinds import FLAG

if TYPE_CHECKING:
    from batcher.cli.config_file import Place

_DIRECT = (
    ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP, ParameterSource.DEFAULT,
)  # fmt: skip
"""Where a value may come from, the most direct first; DEFAULT_MAP is the file."""
_PLACES, _FILE = "batcher.places", "batcher.file"
"""What is kept in a context's `meta`, with the verb's name, since a context shares it with those around it."""


class Value(click.ParamType[Any]):
    """The type of an option's value for click, which converts nothing itself: `Declared` does."""

    def __init__(self, declared: Declared) -> None:
        self.name = declared.metavar
        self.declared = declared

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG002 - as click calls it
        """Complete the words that it may be, or file names."""
        if self.declared.kind.is_file:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(word) for word in self.declared.kind.choices if word.startswith(incomplete)]


class Verb(click.Command):
    """A verb: its parameters are those of its struct."""

    def __init__(self, name: str, struct: type[Options], **more: Any) -> None:
        self.struct = struct
        parameters = [_parameter(each) for each in declared_by(struct)]
        super().__init__(name, params=[*parameters, _config()], **more)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the same in every context
        """Write what stands behind the verb."""
        return [usage(self.struct)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the options in panels."""
        for heading, entries in panels(self.struct):
            with formatter.section(heading):
                formatter.write_dl(entries, col_max=28)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words, then let the more direct of two alternatives stand."""
        rest = super().parse_args(ctx, args)
        if self.struct.alternatives and not ctx.resilient_parsing:
            _choose(ctx, self.struct.alternatives)
        return rest


def verb_command(name: str) -> Verb:
    """Import a verb and make its command. Its function gets the struct, and what it gives is the exit code."""
    verb = module_of(name)

    @click.pass_context
    def act(ctx: click.Context, /, **_: Any) -> int:
        used = [place for key, place in places(ctx).items() if source(ctx, key) is ParameterSource.DEFAULT_MAP]
        if used:
            from batcher.app.voice import say

            say(f"settings of {used[0].file}: {', '.join(place.key for place in used)}")
        code: int = getattr(verb, name)(options_of(ctx))
        return code

    return Verb(name, verb.OPTIONS, help=verb.HELP, callback=act, context_settings=getattr(verb, "CONTEXT", None))


def options_of(ctx: click.Context) -> Options:
    """Make a verb's struct of what was given for it."""
    struct = _verb(ctx).struct
    names = [each.name for each in declared_by(struct)]
    return struct.of({name: ctx.params[name] for name in names if source(ctx, name) is not ParameterSource.DEFAULT})


def source(ctx: click.Context, name: str) -> ParameterSource:
    """Say where a value comes from."""
    return ctx.get_parameter_source(name) or ParameterSource.DEFAULT


def places(ctx: click.Context) -> Mapping[str, Place]:
    """Say where in the file the values stand that it has for this verb, by the names of its options."""
    found: Mapping[str, Place] = ctx.meta.get(f"{_PLACES}.{ctx.info_name}", {})
    return found


def config_file(ctx: click.Context) -> Path | None:
    """Give the file that --config or BATCHER_CONFIG names, None where neither does."""
    file: Path | None = ctx.meta.get(f"{_FILE}.{ctx.info_name}")
    return file


def environment_name(declared: Declared) -> str:
    """Give the name that is set, of those that an option has in the environment."""
    return next(name for name in declared.environment if os.environ.get(name))


def _verb(ctx: click.Context) -> Verb:
    if not isinstance(ctx.command, Verb):
        raise TypeError(f"{ctx.command.name} is no verb")
    return ctx.command


def _parameter(declared: Declared) -> click.Parameter:
    """Make click's parameter. It knows no default: what is not given is not among the values of the struct."""

    def take(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        return _taken(ctx, declared, value)

    if declared.option.is_argument:
        return click.Argument(
            [declared.name],
            type=Value(declared),
            required=declared.is_required,
            metavar=declared.metavar,
            callback=take,
        )
    return _option(declared, take)


def _option(declared: Declared, take: Callable[..., Any]) -> click.Option:
    is_flag = declared.kind is FLAG
    return click.Option(
        [declared.name, declared.flag, *filter(None, [declared.option.short])],
        type=None if is_flag else Value(declared),
        is_flag=is_flag or None,  # False would let a value that begins with - be missing
        multiple=declared.kind.is_repeated,
        required=declared.is_required,
        envvar=declared.environment or None,
        metavar=declared.metavar or None,
        help=declared.option.help,
        callback=take,
    )


def _taken(ctx: click.Context, declared: Declared, value: Any) -> Any:
    """Give a value as the option has it, whatever its source. Raises UsageError, which names flag or environment."""
    found = source(ctx, declared.name)
    if found is ParameterSource.DEFAULT:
        return declared.default
    if found is ParameterSource.DEFAULT_MAP:
        return declared.set(value)
    try:
        return declared.read(value)
    except UsageError as error:
        raise UsageError(f"{_where(found, declared, value)}: {error}", error.advice) from None


def _where(found: ParameterSource, declared: Declared, value: Any) -> str:
    """Name an option as it was given. What comes from the environment may be a secret, so it is not repeated."""
    if found is ParameterSource.ENVIRONMENT:
        return environment_name(declared)
    name = declared.metavar if declared.option.is_argument else declared.flag
    return f"{name} {' '.join(value) if isinstance(value, list | tuple) else value}"


def _choose(ctx: click.Context, names: tuple[str, ...]) -> None:
    given = [name for name in names if source(ctx, name) is not ParameterSource.DEFAULT]
    ranks = {name: _DIRECT.index(source(ctx, name)) for name in given}
    if len(given) == len(names) and set(ranks.values()) == {0}:
        raise combined([each.flag for name in names for each in declared_by(_verb(ctx).struct) if each.name == name])
    for name in given:
        if ranks[name] > min(ranks.values()):
            ctx.params[name] = None
            ctx.set_parameter_source(name, ParameterSource.DEFAULT)


def _config() -> click.Option:
    """Make the flag that every verb has: it is read before the others, and only when a verb runs."""
    (declared,) = declared_by(General)
    option = _option(declared, _load)
    option.is_eager = True
    option.expose_value = False
    return option


def _load(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
    """Let the file's values be the defaults. Raises UsageError, DiskError."""
    if ctx.resilient_parsing:
        return
    path = None if given is None else Path(given)
    from batcher.cli.config_file import values

    found = values(str(ctx.command.name), path)
    ctx.meta[f"{_FILE}.{ctx.info_name}"] = path
    ctx.default_map = {name: value for name, (value, _) in found.items()}
    ctx.meta[f"{_PLACES}.{ctx.info_name}"] = {name: place for name, (_, place) in found.items()}
