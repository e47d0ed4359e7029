"""`batcher config`: each flag's value, and where it comes from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from batcher.app.voice import complain
from batcher.cli.configured import config_file, key, options, places, source
from batcher.cli.verbs import VERBS, verb_command
from batcher.errors import UsageError
from batcher.model import Json

HELP = """Show what each flag of VERB, or of every verb, is set to, and where that comes from.

\b
Examples:
  batcher config
  batcher config run
  batcher config run --max-rate 200
  batcher config --json | jq '.run["max-rate"]'

A flag is set on the command line, else by its name in the environment, else in batcher.toml in the working directory
(or --config FILE), else it has its default. The file's keys are the flags' names without the dashes; a table, such as
[run], is for that verb alone and goes before the rest:

\b
  workflow = "transcode"
  region = "cn-north-4"
  input = ["template-id:=7000524"]
  [run]
  max-rate = 200

The file holds no secrets, and keys that look like any are refused.
"""

CONTEXT = {"ignore_unknown_options": True, "allow_extra_args": True}

_DEFAULT = "default"
_USER = re.compile(r"//[^/?#\s]*@")
"""The user and the password of an address."""


class Value(NamedTuple):
    """What a flag is set to; `where` is the command line, a name in the environment, a file's key, or the default."""

    key: str
    value: Json
    source: str
    where: str


def config(
    ctx: typer.Context,
    verb: Annotated[
        str | None,
        typer.Argument(
            help="The verb, and flags as it would be given them.", metavar="VERB", autocompletion=lambda: list(VERBS)
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """Work out the values as each verb would, and print them."""
    if verb is not None and verb not in VERBS:
        complain(UsageError(f"{verb}: there is no such verb", f"Choose among {', '.join(VERBS)}."))
        raise typer.Exit(UsageError.exit_code)
    shown = {name: list(_values(ctx, name)) for name in (VERBS if verb is None else [verb])}
    if as_json:
        document = {
            name: {each.key: {"value": each.value, "source": each.source, "where": each.where} for each in found}
            for name, found in shown.items()
        }
        print(json.dumps(document))
        return
    for name, found in shown.items():
        if found:
            print(f"[{name}]")
        for each in found:
            print(f"  {each.key:<22} {json.dumps(each.value):<24} {each.where}")


def _values(ctx: typer.Context, name: str) -> Iterator[Value]:
    command = verb_command(name)
    # What a verb cannot do without is missing here, and that is no error.
    for param in command.params:
        param.required = False
    file = config_file(ctx)
    words = [*(() if file is None else ("--config", str(file))), *ctx.args]
    inner = command.make_context(name, words, parent=ctx.parent)
    for option in options(command):
        yield _value(inner, option)


def _value(inner: Any, option: Any) -> Value:
    value = _plain(inner.params[option.name])
    match source(inner, option.name):
        case "COMMANDLINE":
            return Value(key(option), value, "command line", "command line")
        case "ENVIRONMENT":
            return Value(key(option), value, "environment", _name(option.envvar))
        case "DEFAULT_MAP":
            place = places(inner)[option.name]
            return Value(key(option), value, "file", f"{place.file.absolute()}: {place.key}")
    return Value(key(option), value, _DEFAULT, _DEFAULT)


def _name(names: str | list[str]) -> str:
    """Give the name that is set, of those that a flag has in the environment."""
    return next(name for name in ([names] if isinstance(names, str) else names) if os.environ.get(name))


def _plain(value: Any) -> Json:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        # `run` refuses an address with a password in it; here it is not shown either.
        return _USER.sub("//***@", value)
    return str(value) if isinstance(value, Path) else value
