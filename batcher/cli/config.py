"""`batcher config`: shows the value of each option and where it comes from."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import click
from click.core import ParameterSource

from batcher.app.voice import show
from batcher.cli.flags import config_file, environment_name, places, source, verb_command
from batcher.cli.verbs import VERBS
from batcher.errors import ExitCode, UsageError
from batcher.model import Json
from batcher.options.declaring import Declared, Derived, Option, settable
from batcher.options.groups import ForPrograms
from batcher.options.kinds import TEXT
from batcher.rules.text import plain

HELP = """Show the value of each option of COMMAND, or of every command, and where it comes from.

\b
Examples:
  batcher config
  batcher config run
  batcher config run --max-rate 200
  batcher config --json | jq '.run["max-rate"]'

The value of an option comes from the command line, else from its environment variable, else from batcher.toml in the
working directory (or --config FILE), else it is the default. The keys of the file are the long flags without the
leading dashes. A table such as [run] applies to that command only and takes precedence:

\b
  workflow = "transcode"
  region = "cn-north-4"
  input = ["template-id:=7000524"]
  [run]
  max-rate = 200

The file must not contain secrets: keys that look like credentials are refused.
"""

CONTEXT = {"ignore_unknown_options": True, "allow_extra_args": True}

_USER = re.compile(r"//[^/?#\s]*@")
"""The user name and the password in a URL."""


class ConfigOptions(ForPrograms):
    """The options of `batcher config`."""

    verb: Annotated[
        str | None,
        Option(
            "Command whose options to show; its own options may follow.",
            TEXT._replace(choices=tuple(VERBS)),
            is_argument=True,
            metavar="COMMAND",
        ),
    ] = None


OPTIONS = ConfigOptions


class Value(NamedTuple):
    """The value of an option. `where` is the command line, an environment variable, a key of a file or the default."""

    key: str
    value: Json
    words: str
    """The value for people: as JSON, or what the help shows for a default that is not a plain value."""
    source: str
    where: str


def config(options: ConfigOptions) -> ExitCode:
    """Determine the values as each verb would, and print them."""
    if options.verb is not None and options.verb not in VERBS:
        raise UsageError(f"{options.verb}: no such command", f"Choose one of {', '.join(VERBS)}.")
    context = click.get_current_context()
    shown = {name: list(_values(context, name)) for name in (VERBS if options.verb is None else [options.verb])}
    if options.as_json:
        document = {
            name: {each.key: {"value": each.value, "source": each.source, "where": each.where} for each in found}
            for name, found in shown.items()
        }
        print(json.dumps(document))
        return ExitCode.OK
    for name, found in shown.items():
        if found:
            show(f"[{name}]")
        for each in found:
            show(f"  {each.key:<22} {each.words:<35} {each.where}")
    return ExitCode.OK


def _values(context: click.Context, name: str) -> Iterator[Value]:
    command = verb_command(name)
    # A missing required option is not an error here.
    for parameter in command.params:
        parameter.required = False
    file = config_file(context)
    words = [*(() if file is None else ("--config", str(file))), *context.args]
    inner = command.make_context(name, words, parent=context.parent)
    for option in settable(command.struct):
        yield _value(inner, option)


def _value(context: click.Context, option: Declared) -> Value:
    shown = _shown(option, context.params[option.name])
    words = option.option.default or "not set" if shown in (None, []) else _words(shown)
    match source(context, option.name):
        case ParameterSource.COMMANDLINE:
            return Value(option.key, shown, words, "command line", "command line")
        case ParameterSource.ENVIRONMENT:
            return Value(option.key, shown, words, "environment", environment_name(option))
        case ParameterSource.DEFAULT_MAP:
            place = places(context)[option.name]
            return Value(option.key, shown, words, "file", f"{place.file.absolute()}: {place.key}")
    return Value(option.key, shown, words, "default", "default")


def _shown(option: Declared, value: object) -> Json:
    """Return a value as the file may have it. Return None if it has none, or if it is derived from other options."""
    if value is None or isinstance(value, Derived):
        return None
    return _without_password(option.show(value))


def _words(value: Json) -> str:
    words = json.dumps(value)
    return plain(value) if isinstance(value, float) and "e" in words else words


def _without_password(value: Json) -> Json:
    # `run` refuses an endpoint that contains a password; do not show the password here either.
    if isinstance(value, list):
        return [_without_password(each) for each in value]
    return _USER.sub("//***@", value) if isinstance(value, str) else value
