"""What makes a job this job: the service, the workflow and the inputs of every row, as a person has named them."""

from __future__ import annotations

from collections.abc import Mapping

from batcher.edges.checkpoint import Header
from batcher.edges.manifest import AnyManifest, Choice
from batcher.errors import UsageError
from batcher.model import Json
from batcher.options.groups import Manifest
from batcher.rules.rows.identity import canonical
from batcher.rules.service import names


def header_of(
    workflow: str, endpoint: str, bucket: str | None, inputs: Mapping[str, Json], *, allow_http: bool
) -> Header:
    """Check the names, and give the header of the job's checkpoint. Raises UsageError for a name that cannot be."""
    fault = names.workflow_fault(workflow)
    if fault is not None:
        raise UsageError(f"--workflow {workflow}: {fault}")
    fault = None if bucket is None else names.bucket_fault(bucket)
    if fault is not None:
        raise UsageError(f"--bucket {bucket}: {fault}")
    return Header(names.endpoint(endpoint, allow_http=allow_http).url, workflow, canonical(inputs).decode() or "{}")


def need_bucket(manifest: AnyManifest, format_: str, bucket: str | None) -> None:
    """Make sure that rows can have a bucket. Raises UsageError where none can, before each of them is found invalid."""
    if bucket is None and (format_ == "txt" or (manifest.header and "bucket" not in manifest.header)):
        raise UsageError("no row of the manifest names a bucket", 'Give --bucket NAME, or add a column "bucket".')


def choice_of(options: Manifest) -> Choice:
    """Give what of a manifest is wanted."""
    return Choice(options.keep_placeholders, options.storage_classes)
