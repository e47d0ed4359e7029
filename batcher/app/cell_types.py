"""The types of a manifest's cells: those of the workflow's declared parameters, fixed when the job begins."""

from __future__ import annotations

from collections.abc import Mapping

from batcher.app.job_files import Files
from batcher.app.preflight import Preflight
from batcher.edges.manifest import AnyManifest
from batcher.model import Parameter

_TABLE_COLUMNS = frozenset({"object", "bucket", "inputs"})


def has_typed_cells(manifest: AnyManifest) -> bool:
    """Return whether a manifest has columns of its own, whose cells may have a declared type."""
    return not _TABLE_COLUMNS.issuperset(manifest.header)


async def parameters_of(manifest: AnyManifest, files: Files, preflight: Preflight) -> Mapping[str, Parameter] | None:
    """Return the declared parameters. None for a manifest without columns of its own, or if the job stops first.

    Their types are kept on the job card: a cell that is a number today and text tomorrow would be another row. Raises
    what the preflight raises.
    """
    if not has_typed_cells(manifest):
        return None
    types = files.card.cell_types
    if types is None:
        workflow = await preflight.workflow()
        if preflight.is_stopped:
            return None
        types = {name: each.type for name, each in workflow.parameters.items()} if workflow else {}
        await files.fix_cell_types(types)
    return parameters_of_types(types)


def parameters_of_types(types: Mapping[str, str]) -> Mapping[str, Parameter]:
    """Return parameters of these types, without anything else."""
    return {name: Parameter(name, type_, has_value=True, constraints={}) for name, type_ in types.items()}
