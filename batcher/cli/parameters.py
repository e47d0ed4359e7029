"""The workflow's declared parameters, where the manifest's cells depend on them: asked for once in a job's life."""

from __future__ import annotations

import random
from collections.abc import Mapping

import orjson

from batcher.cli.console import warn
from batcher.edges.checkpoint import Checkpoint
from batcher.edges.manifest import Manifest
from batcher.edges.service import ObsV2
from batcher.flow.drain import Drain
from batcher.flow.preflight import declared_parameters
from batcher.model import Answer, Parameter

PARAMETERS = "parameters"
"""The fact of a checkpoint that keeps the types of the declared parameters."""

_TABLE_COLUMNS = frozenset({"object", "bucket", "inputs"})


async def parameters_of(
    manifest: Manifest, checkpoint: Checkpoint, service: ObsV2, drain: Drain
) -> Mapping[str, Parameter] | None:
    """Give the declared parameters, None for a manifest that has no columns of its own.

    They are kept in the checkpoint: a cell that is a number today and text tomorrow would be another row. Raises what
    `declared_parameters` raises.
    """
    if _TABLE_COLUMNS.issuperset(manifest.header):
        return None
    kept = await checkpoint.recall(PARAMETERS)
    if kept is None:
        found = await declared_parameters(service.get_workflow, drain.sleep, random.random, service.now)
        if isinstance(found, Answer):
            warn(
                f"the service does not describe the workflow (HTTP {found.status} {found.code}):"
                " every cell is sent as text"
            )
            found = {}
        kept = orjson.dumps({name: parameter.type for name, parameter in found.items()}).decode()
        await checkpoint.remember({PARAMETERS: kept})
    return kept_parameters(kept)


def kept_parameters(kept: str | int) -> dict[str, Parameter]:
    """Give the declared parameters as a checkpoint has kept them."""
    types = orjson.loads(str(kept))
    return {name: Parameter(name, type_, has_value=True, constraints={}) for name, type_ in types.items()}
