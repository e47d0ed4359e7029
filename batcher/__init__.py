"""Start one cloud workflow execution for each row of a manifest: bulk starts that survive any interruption.

The command is `batcher`. In a program of one's own: `from batcher import run`, see `batcher.library.run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batcher.app.options import OnDoubt
    from batcher.edges.credentials import Place
    from batcher.errors import (
        BusyError,
        CredentialsError,
        DiskError,
        ExitCode,
        FailuresError,
        JobError,
        ManifestError,
        OtherJobError,
        ServiceError,
        UsageError,
    )
    from batcher.library import Running, run
    from batcher.model import Record, Status

__version__ = "0.1.0"

__all__ = [
    "BusyError",
    "CredentialsError",
    "DiskError",
    "ExitCode",
    "FailuresError",
    "JobError",
    "ManifestError",
    "OnDoubt",
    "OtherJobError",
    "Place",
    "Record",
    "Running",
    "ServiceError",
    "Status",
    "UsageError",
    "__version__",
    "run",
]

_HOMES = {
    "run": "batcher.library",
    "Running": "batcher.library",
    "OnDoubt": "batcher.app.options",
    "Place": "batcher.edges.credentials",
    "Record": "batcher.model",
    "Status": "batcher.model",
}
"""Where each of these names lives; all others live in `batcher.errors`."""


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command's help waits for neither the HTTP client nor the rest.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES.get(name, "batcher.errors")), name)
