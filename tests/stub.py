"""The stub of the package, `batcher/__init__.pyi`, written from the declarations: `python tests/stub.py` writes it anew.

It gives editors and type checkers every argument of `batcher.run` with its type and its default.
"""

import inspect
import sys
import textwrap
from pathlib import Path

import batcher
from batcher import _HOMES
from batcher.library import run
from batcher.options.declaring import Derived, declared_by
from batcher.options.kinds import FLAG
from batcher.options.verbs import RunOptions

PATH = Path(batcher.__file__).with_suffix(".pyi")
WIDTH = 120

HEAD = '''\
"""{doc}"""

# Written by tests/stub.py from the declarations in batcher/options.

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import time
from os import PathLike
from pathlib import Path
from typing import Literal, overload

{imports}
from batcher.rules.choices import Format, Level, LogFormat, Mode, OnDoubt, Place
from batcher.rules.rate.stop import MaxFailures

__version__: str

class RunOptions:
    """{options_doc}

    Raises UsageError, which names the argument, for a value that is of another kind or out of its bounds.
    """

{attributes}
    def __init__(
        self,
        *,
{parameters}
    ) -> None:
        """Check the arguments, which are those of `run`."""

@overload
def run(
    manifest: RunOptions, *, environment: Mapping[str, str] | None = None
) -> AbstractAsyncContextManager[Running]:
    """Run a job that RunOptions describe. See the other form."""

@overload
def run(
{run_parameters}
    environment: Mapping[str, str] | None = None,
) -> AbstractAsyncContextManager[Running]:
    """{run_doc}

    Arguments:

{arguments}
    """
'''


def default(declared):
    """Write a default as Python; None stands for one that follows from other arguments."""
    value = declared.kind.show(declared.default) if declared.default is not None else None
    if isinstance(declared.default, Derived) or value in ([], {}):
        return "None"
    return repr(value).replace("'", '"')
