"""The types of a manifest's cells: those of the workflow's declared parameters, fixed at the beginning of a job."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from batcher.app.preflight import Preflight
from batcher.edges.checkpoint import Checkpoint
from batcher.edges.manifest import AnyManifest
from batcher.model import Parameter

PARAMETERS = "parameters"
"""The fact of a checkpoint that keeps the types of the declared parameters."""

_TABLE_COLUMNS = frozenset({"object", "bucket", "inputs"})


def has_typed_cells(manifest: AnyManifest) -> bool:
    """Tell whether a manifest has columns of its own, whose cells may be of a declared type."""
    return not _TABLE_COLUMNS.issuperset(manifest.header)


async def parameters_of(
    manifest: AnyManifest, checkpoint: Checkpoint, preflight: Preflight
) -> Mapping[str, Parameter] | None:
    """Give the declared parameters; None for a manifest that has no columns of its own, or where the job stops first.

    They are kept in the checkpoint: a cell that is a number today and text tomorrow would be another row. Raises what
    the preflight raises.
    """
    if not has_typed_cells(manifest):
        return None
    kept = await checkpoint.recall(PARAMETERS)
    if kept is None:
        workflow = await preflight.workflow()
        if preflight.is_stopped:
            return None
        kept = orjson.dumps(
            {name: each.type for name, each in workflow.parameters.items()} if workflow else {}
        ).decode()
        await checkpoint.remember({PARAMETERS: kept})
    return kept_parameters(str(kept))


def kept_parameters(kept: str) -> Mapping[str, Parameter]:
    """Read what a checkpoint keeps."""
    return {name: Parameter(name, type_, has_value=True, constraints={}) for name, type_ in orjson.loads(kept).items()}
