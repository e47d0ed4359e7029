"""Start one cloud workflow execution for each row of a manifest, and resume after any interruption.

The command is `batcher`. In a program, use `from batcher import run`, or `run_sync` without asyncio.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Api": "batcher.rules.choices",
    "BusyError": "batcher.errors",
    "CanaryError": "batcher.errors",
    "CredentialsError": "batcher.errors",
    "DiskError": "batcher.errors",
    "ExitCode": "batcher.errors",
    "FailuresError": "batcher.errors",
    "JobError": "batcher.errors",
    "ManifestError": "batcher.errors",
    "OnDoubt": "batcher.rules.choices",
    "OtherJobError": "batcher.errors",
    "Place": "batcher.rules.choices",
    "Record": "batcher.model",
    "RunOptions": "batcher.options.verbs",
    "Figures": "batcher.rules.progress.figures",
    "Running": "batcher.library",
    "RunningSync": "batcher.library",
    "ServiceError": "batcher.errors",
    "Status": "batcher.model",
    "UsageError": "batcher.errors",
    "ends": "batcher.library",
    "redrive": "batcher.library",
    "redrive_sync": "batcher.library",
    "watch": "batcher.library",
    "watch_sync": "batcher.library",
    "run": "batcher.library",
    "run_sync": "batcher.library",
}
"""The public names, each with its module. `__init__.pyi` has their types."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - the names are texts


def __getattr__(name: str) -> Any:
    # Imported on first use, so that the help of the command does not load the HTTP client.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
