"""`batcher config`: the value of each option, and where it comes from."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import click
from click.core import ParameterSource

from batcher.cli.flags import config_file, environment_name, places, source, verb_command
from batcher.cli.verbs import VERBS
from batcher.errors import ExitCode, UsageError
from batcher.model import Json
from batcher.options.declaring import Declared, Derived, Option, settable
from batcher.options.groups import ForPrograms
from batcher.options.kinds import TEXT

HELP = """Show the value of each option of VERB, or of every verb, and where it comes from.

\b
Examples:
  batcher config
  batcher config run
  batcher config run --max-rate 200
  batcher config --json | jq '.run["max-rate"]'

An option is set on the command line, else by its name in the environment, else in batcher.toml in the working directory
(or --config FILE), else it has its default. The keys of the file are the long flags without the dashes; a table, such
as [run], is for that verb alone and takes precedence:

\b
  workflow = "transcode"
  region = "cn-north-4"
  input = ["template-id:=7000524"]
  [run]
  max-rate = 200

The file holds no secrets: keys that look like credentials are refused.
"""

CONTEXT = {"ignore_unknown_options": True, "allow_extra_args": True}

_USER = re.compile(r"//[^/?#\s]*@")
"""The user and the password of an address."""


class ConfigOptions(ForPrograms):
    """The options of `batcher config`."""

    verb: Annotated[
        str | None,
        Option("Verb, with options as it would take them.", TEXT._replace(choices=tuple(VERBS)), is_argument=True),
    ] = None


OPTIONS = ConfigOptions


class Value(NamedTuple):
    """What an option is set to; `where` is the command line, a name in the environment, a key, or the default."""

    key: str
    value: Json
    source: str
    where: str


def config(options: ConfigOptions) -> ExitCode:
    """Work out the values as each verb would, and print them."""
    if options.verb is not None and options.verb not in VERBS:
        raise UsageError(f"{options.verb}: no such verb", f"Choose one of {', '.join(VERBS)}.")
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
            print(f"[{name}]")
        for each in found:
            print(f"  {each.key:<22} {json.dumps(each.value):<24} {each.where}")
    return ExitCode.OK


def _values(context: click.Context, name: str) -> Iterator[Value]:
    command = verb_command(name)
    # A verb that lacks a required option is no error here.
    for parameter in command.params:
        parameter.required = False
    file = config_file(context)
    words = [*(() if file is None else ("--config", str(file))), *context.args]
    inner = command.make_context(name, words, parent=context.parent)
    for option in settable(command.struct):
        yield _value(inner, option)


def _value(context: click.Context, option: Declared) -> Value:
    shown = _shown(option, context.params[option.name])
    match source(context, option.name):
        case ParameterSource.COMMANDLINE:
            return Value(option.key, shown, "command line", "command line")
        case ParameterSource.ENVIRONMENT:
            return Value(option.key, shown, "environment", environment_name(option))
        case ParameterSource.DEFAULT_MAP:
            place = places(context)[option.name]
            return Value(option.key, shown, "file", f"{place.file.absolute()}: {place.key}")
    return Value(option.key, shown, "default", "default")


def _shown(option: Declared, value: object) -> Json:
    """Write a value as it may stand in a file; None where there is none, or where it follows from other options."""
    if value is None or isinstance(value, Derived):
        return None
    return _without_password(option.show(value))


def _without_password(value: Json) -> Json:
    # An endpoint with a password in it is refused by `run`; here it is not shown either.
    if isinstance(value, list):
        return [_without_password(each) for each in value]
    return _USER.sub("//***@", value) if isinstance(value, str) else value
