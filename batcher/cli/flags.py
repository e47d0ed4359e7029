"""The flags of a verb, made from its struct, and their values from all sources.

The order of precedence is: the command line, the environment, `batcher.toml`, the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from batcher.cli.ending import Ending
from batcher.cli.help import panels, usage
from batcher.cli.verbs import module_of
from batcher.errors import UsageError
from batcher.options.declaring import Declared, Options, combined, declared_by
from batcher.options.groups import General, Manifest, OfJob, OfManifest
from batcher.options.kinds import FLAG

if TYPE_CHECKING:
    from batcher.cli.config_file import Place

_DIRECT = (
    ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP, ParameterSource.DEFAULT,
)  # fmt: skip
"""Where a value may come from, in order of precedence. DEFAULT_MAP is the file."""
_WHERE = frozenset({"endpoint", "region"})
"""The options that say where requests go."""
_LINK = re.compile(r"(?:tcp|udp|sctp)://[^/\s]+:[0-9]+")
_PLACES, _FILE, _LINKS = "batcher.places", "batcher.file", "batcher.links"
"""Keys in the `meta` of a context. The verb's name is appended, since nested contexts share `meta`."""


class Value(click.ParamType[Any]):
    """The type of an option's value for click. `Declared` converts the value, not click."""

    def __init__(self, declared: Declared) -> None:
        self.name = declared.metavar
        self.declared = declared

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG002 - as click calls it
        """Complete the choices of the option, or file names."""
        if self.declared.kind.is_file:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(word) for word in self.declared.kind.choices if word.startswith(incomplete)]


_HYPHEN = "\u2011"


class _Formatter(click.HelpFormatter):
    """Formats a help without line breaks inside flags and addresses: click would break them at their hyphens."""

    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", _HYPHEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(term, text.replace("-", _HYPHEN)) for term, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(_HYPHEN, "-")


class _Context(click.Context):
    formatter_class = _Formatter


class Verb(click.Command):
    """A verb, with the parameters of its struct."""

    context_class = _Context

    def __init__(self, name: str, struct: type[Options], **more: Any) -> None:
        self.struct = struct
        parameters = [_parameter(each) for each in declared_by(struct)]
        super().__init__(name, params=[*parameters, _config()], **more)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the same in every context
        """Return what follows the verb in the usage line."""
        return [usage(self.struct)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the options in panels."""
        for heading, entries in panels(self.struct):
            with formatter.section(heading):
                formatter.write_dl(entries, col_max=28)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, then drop the alternative whose source has lower precedence."""
        rest = super().parse_args(ctx, args)
        if self.struct.alternatives and not ctx.resilient_parsing:
            _choose(ctx, self.struct.alternatives)
        return rest


def verb_command(name: str) -> Verb:
    """Import a verb and make its command, which calls the verb's function and returns its exit code."""
    verb = module_of(name)

    @click.pass_context
    def act(ctx: click.Context, /, **_: Any) -> int:
        ending = ctx.ensure_object(Ending)
        used = {name: place for name, place in places(ctx).items() if source(ctx, name) is ParameterSource.DEFAULT_MAP}
        for variable in ctx.meta.get(f"{_LINKS}.{ctx.info_name}", {}):
            from batcher.app.voice import warn

            warn(f"{variable} is ignored: Kubernetes sets it for a service of that name (enableServiceLinks)")
        if used:
            from batcher.app.voice import say

            # Requests with customers' names go to the endpoint, so it is named, not only that it is set.
            shown = [f"{at.key} ({ctx.params[name]})" if name in _WHERE else at.key for name, at in used.items()]
            say(f"settings from {next(iter(used.values())).file}: {', '.join(shown)}")
        given = options_of(ctx)
        getattr(verb, "prepare", _nothing)(given)
        ending.of(name, given)
        options = _located(given)
        ending.of(name, options)
        code: int = getattr(verb, name)(options)
        return code

    return Verb(name, verb.OPTIONS, help=verb.HELP, callback=act, context_settings=getattr(verb, "CONTEXT", None))


def _nothing(_: Options) -> None:
    """Do nothing, for a verb that has nothing to prepare."""


def _located(options: Options) -> Options:
    """Return the options with the files of the job that they name."""
    if not isinstance(options, OfJob | OfManifest | Manifest):
        return options
    # Imported here, since only a verb about a job needs it.
    from batcher.app.job_places import located

    return located(options)


def options_of(ctx: click.Context) -> Options:
    """Make the struct of a verb from the given values."""
    struct = _verb(ctx).struct
    names = [each.name for each in declared_by(struct)]
    return struct.of({name: ctx.params[name] for name in names if source(ctx, name) is not ParameterSource.DEFAULT})


def source(ctx: click.Context, name: str) -> ParameterSource:
    """Return where a value comes from."""
    return ctx.get_parameter_source(name) or ParameterSource.DEFAULT


def places(ctx: click.Context) -> Mapping[str, Place]:
    """Return the places in the file of the values that it sets for this verb, by option name."""
    found: Mapping[str, Place] = ctx.meta.get(f"{_PLACES}.{ctx.info_name}", {})
    return found


def config_file(ctx: click.Context) -> Path | None:
    """Return the file given by --config or BATCHER_CONFIG. Return None if neither is given."""
    file: Path | None = ctx.meta.get(f"{_FILE}.{ctx.info_name}")
    return file


def environment_name(declared: Declared) -> str:
    """Return the environment variable of an option that is set."""
    return next(name for name in declared.environment if os.environ.get(name))


def _verb(ctx: click.Context) -> Verb:
    if not isinstance(ctx.command, Verb):
        raise TypeError(f"{ctx.command.name} is not a verb")
    return ctx.command


def _parameter(declared: Declared) -> click.Parameter:
    """Make the click parameter. It has no default: a value that is not given is left out of the struct."""

    def take(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        return _taken(ctx, declared, value)

    if declared.option.is_argument:
        return click.Argument(
            [declared.name],
            type=Value(declared),
            required=declared.is_required,
            nargs=-1 if declared.kind.is_repeated else 1,
            metavar=declared.metavar,
            callback=take,
        )
    return _option(declared, take)


class _Flag(click.Option):
    """A flag whose environment variable may be one that Kubernetes sets for a service: `BATCHER_METRICS_PORT=tcp://...`.

    See https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables. It is noted and ignored.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value in the environment, None if there is none of ours."""
        value = super().resolve_envvar_value(ctx)
        if value is None or not _LINK.fullmatch(value):
            return value
        names = [self.envvar] if isinstance(self.envvar, str) else [*(self.envvar or ())]
        linked = [name for name in names if name.endswith("_PORT") and os.environ.get(name) == value]
        ctx.meta.setdefault(f"{_LINKS}.{ctx.info_name}", {}).update(dict.fromkeys(linked))
        return None if linked else value


def _option(declared: Declared, take: Callable[..., Any]) -> click.Option:
    is_flag = declared.kind is FLAG
    return _Flag(
        [declared.name, declared.flag, *filter(None, [declared.option.short])],
        type=None if is_flag else Value(declared),
        is_flag=is_flag or None,  # with False, click takes a value that begins with - as missing
        multiple=declared.kind.is_repeated,
        required=declared.is_required,
        envvar=declared.environment or None,
        metavar=declared.metavar or None,
        help=declared.option.help,
        callback=take,
    )


def _taken(ctx: click.Context, declared: Declared, value: Any) -> Any:
    """Check and convert a value from any source. Raises UsageError, which names the flag or environment variable."""
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
    """Return an option as it was given. A value from the environment may be a secret, so it is not repeated."""
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
    """Make --config, the flag of every verb. It is read before the others, and only when a verb runs."""
    (declared,) = declared_by(General)
    option = _option(declared, _load)
    option.is_eager = True
    option.expose_value = False
    return option


def _load(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
    """Use the values of the file as defaults. Raises UsageError, DiskError."""
    if ctx.resilient_parsing:
        return
    path = None if given is None else Path(given)
    from batcher.cli.config_file import values

    found = values(str(ctx.command.name), path)
    ctx.meta[f"{_FILE}.{ctx.info_name}"] = path
    ctx.default_map = {name: value for name, (value, _) in found.items()}
    ctx.meta[f"{_PLACES}.{ctx.info_name}"] = {name: place for name, (_, place) in found.items()}
