"""The stub of the package, `batcher/__init__.pyi`, made from the declarations: `python tests/stub.py` writes it anew.

It gives editors and type checkers every argument of `batcher.run`, with its type, its default and its meaning.
"""

import inspect
import re
import textwrap
from pathlib import Path

import batcher
from batcher.library import redrive, redrive_sync, run, run_sync, watch, watch_sync
from batcher.library.following import OF_COMMANDS
from batcher.options.declaring import Derived, declared_by
from batcher.options.redriving import RedriveOptions
from batcher.options.verbs import RunOptions
from batcher.options.watching import WatchOptions

PATH = Path(batcher.__file__).with_suffix(".pyi")
WIDTH = 120
HEAD = '''\
"""{doc}"""

# Made by tests/stub.py from the declarations in batcher/options: change those, and run it.

from collections.abc import AsyncIterable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import time
from os import PathLike
from typing import Literal, overload

{imports}

__version__: str

class RunOptions(_RunOptions):
    """{options_doc}"""

    def __init__(
        self,
        *,
{fields}
    ) -> None:
        """Take the arguments of `run`, and check them. Raises UsageError, which names the argument."""

{runs}'''
RUN = '''\
@overload
def {name}(
    manifest: RunOptions,
    *,
    environment: Mapping[str, str] | None = None,
) -> {manager}:
    """Run the job that the options describe: see the other form."""

@overload
def {name}(
{arguments}
    environment: Mapping[str, str] | None = None,
) -> {manager}:
    """{run_doc}

    Arguments:
{meanings}
    """
'''
RUNS = (
    (run, "AbstractAsyncContextManager[Running]"),
    (run_sync, "AbstractContextManager[RunningSync]"),
)
FOLLOWING = '''\
def {name}(
    checkpoint: str | PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
{arguments}
) -> {result}:
    """{doc}

    Arguments:
{meanings}
    """
'''
FOLLOWERS = (
    (watch, "Coroutine[object, object, ExitCode]", WatchOptions),
    (watch_sync, "ExitCode", WatchOptions),
    (redrive, "Coroutine[object, object, ExitCode]", RedriveOptions),
    (redrive_sync, "ExitCode", RedriveOptions),
)
ROWS = "str | PathLike[str] | Iterable[_Given] | AsyncIterable[_Given]"
"""What may be given as the manifest: its path, or its rows."""
CHOICES = ("Format", "Level", "LogFormat", "Mode")
"""The enumerations of arguments that are no public names: their words may be passed instead."""


def default(declared):
    """Write a default as Python; None stands for one that follows from others, and for an empty one."""
    if declared.default is None or isinstance(declared.default, Derived) or declared.default in ({}, frozenset(), ()):
        return "None"
    if isinstance(declared.default, tuple):
        return repr(tuple(map(str, declared.default))).replace("'", '"')
    shown = declared.default.value if hasattr(declared.default, "value") else declared.default
    return repr(shown).replace("'", '"')


def parameter(declared):
    if declared.is_required:
        return f"{declared.name}: {written(declared)},"
    value = default(declared)
    return f"{declared.name}: {written(declared)}{' | None' if value == 'None' else ''} = {value},"


def written(declared):
    return declared.kind.python.replace("'", '"')


def meaning(declared):
    """Say what an argument means; the help of a negated flag says what False does."""
    text = declared.option.help
    if declared.is_negated:
        text = f"If False, {text[0].lower()}{text[1:]}"
    return textwrap.fill(f"{declared.name}: {text}", WIDTH - 8, initial_indent="    ", subsequent_indent="        ")


def imports():
    """Import the public names for others, and what the arguments need for the stub itself."""
    public = [
        (module, f"{name} as {name}")
        for name, module in batcher._HOMES.items()
        if name not in {"run", "run_sync", "RunOptions", *(each.__name__ for each, *_ in FOLLOWERS)}
    ]
    known = [*public, *(("batcher.rules.choices", name) for name in CHOICES)]
    known += [
        ("batcher.edges.manifest.given", "Given as _Given"),
        ("batcher.model", "Json"),
        ("batcher.options.verbs", "RunOptions as _RunOptions"),
    ]
    by_module = {}
    for module, name in known:
        by_module.setdefault(module, []).append(name)
    return "\n".join(
        f"from {module} import (\n{''.join(f'    {name},{chr(10)}' for name in sorted(names))})"
        for module, names in sorted(by_module.items())
    )


def stub():
    """Make the whole text."""
    declared = declared_by(RunOptions)
    arguments = [each for each in declared if each.option.is_argument]
    options = sorted((each for each in declared if not each.option.is_argument), key=lambda each: not each.is_required)
    lines = ["manifest: " + ROWS + ",", "*,", *map(parameter, options)]
    meanings = textwrap.indent("\n".join(map(meaning, [*arguments, *options])), " " * 4)
    runs = "\n".join(
        RUN.format(
            name=each.__name__,
            manager=manager,
            arguments=textwrap.indent("\n".join(lines), " " * 4),
            run_doc=re.sub(r"\n(?=.)", "\n    ", inspect.getdoc(each)),
            meanings=meanings,
        )
        for each, manager in RUNS
    )
    return HEAD.format(
        doc=batcher.__doc__,
        imports=imports(),
        options_doc=inspect.getdoc(RunOptions),
        fields=textwrap.indent("\n".join(map(parameter, [*arguments, *options])), " " * 8),
        runs="\n".join([runs, *map(following, FOLLOWERS)]),
    )


def following(follower):
    """Make a function about a job that has begun."""
    function, result, struct = follower
    declared = [each for each in declared_by(struct) if each.name not in {"checkpoint", *OF_COMMANDS}]
    return FOLLOWING.format(
        name=function.__name__,
        result=result,
        arguments=textwrap.indent("\n".join(map(parameter, declared)), " " * 4),
        doc=re.sub(r"\n(?=.)", "\n    ", inspect.getdoc(function)),
        meanings=textwrap.indent("\n".join(map(meaning, declared)), " " * 4),
    )


if __name__ == "__main__":
    PATH.write_text(stub())
