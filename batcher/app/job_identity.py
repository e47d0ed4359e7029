"""What makes a job this job, as a person has named it: the names checked, the paths found, and the job card made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from batcher.app.options import Options
from batcher.edges.checkpoint.places import folder_of, is_same, is_there, kept, real
from batcher.edges.manifest import AnyManifest
from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.job.card import STANDARD_INPUT, Card
from batcher.rules.report.next_commands import Job
from batcher.rules.rows.identity import canonical
from batcher.rules.service import names
from batcher.rules.service.names import region_endpoint


def identity(workflow: str, endpoint: str, bucket: str | None, inputs: Mapping[str, Json], *, allow_http: bool) -> Card:
    """Check the names, and give the card with what rows depend on. Raises UsageError for a name that cannot be."""
    fault = names.workflow_fault(workflow)
    if fault is not None:
        raise UsageError(f"--workflow {workflow}: {fault}")
    fault = None if bucket is None else names.bucket_fault(bucket)
    if fault is not None:
        raise UsageError(f"--bucket {bucket}: {fault}")
    url = names.endpoint(endpoint, allow_http=allow_http).url
    return Card(url, workflow, canonical(inputs).decode() or "{}", bucket or "")


def card_of(options: Options) -> Card:
    """Give the card of the job that `options` describe. Raises UsageError for a name that cannot be."""
    folder = folder_of(options.checkpoint)
    card = identity(options.workflow, options.endpoint, options.bucket, options.inputs, allow_http=options.allow_http)
    return structs.replace(
        card,
        manifest=STANDARD_INPUT if options.manifest is None else kept(options.manifest, folder),
        output=kept(options.output, folder),
        format=str(options.format or ""),
        storage_classes=tuple(sorted(options.choice.storage_classes)),
        keep_placeholders=bool(options.choice.keep_placeholders),
        allow_duplicates=bool(options.allow_duplicates),
    )


def is_side_manifest(job: Card, wanted: Card, folder: Path) -> bool:
    """Say whether a command's manifest is another one than the job's own, which is still there.

    A manifest at the path of the job's own is the job's own, whatever it holds by now. Where nothing is at that path
    any more, another manifest takes its place. Standard input has no path: it is the job's own where the job began
    with it, and no file takes its place.
    """
    if job.manifest in {"", wanted.manifest}:
        return False
    if STANDARD_INPUT in {job.manifest, wanted.manifest}:
        return job.manifest == STANDARD_INPUT or is_there(folder / job.manifest)
    own = folder / job.manifest
    return is_there(own) and not is_same(own, folder / wanted.manifest)


def is_own_manifest(manifest: Path, job: Job) -> bool:
    """Say whether a path is that of the job's own manifest, or leads to the same file."""
    own = job.card.manifest
    return str(manifest) == STANDARD_INPUT == own or str(real(manifest)) == own or is_same(manifest, Path(own))


def job_of(card: Card, checkpoint: Path) -> Job:
    """Give a job with the paths at which its files are now."""
    folder = folder_of(checkpoint)
    manifest, output = (
        path if path in {"", STANDARD_INPUT} else str(folder / path) for path in (card.manifest, card.output)
    )
    return Job(structs.replace(card, manifest=manifest, output=output), os.path.realpath(checkpoint))


def endpoint_of(endpoint: str | None, region: str | None) -> str:
    """Give the endpoint asked for, or that of the region. Raises UsageError where neither is named."""
    if region is not None and endpoint is None:
        return region_endpoint(region)
    if endpoint is None:
        raise UsageError("the service is not named", "Give --endpoint URL or --region NAME, or set OBS_ENDPOINT.")
    return endpoint


def need_bucket(manifest: AnyManifest, format_: str, bucket: str | None) -> None:
    """Make sure that rows can have a bucket. Raises UsageError where none can, before each of them is found invalid."""
    if bucket is None and (format_ == "txt" or (manifest.header and "bucket" not in manifest.header)):
        raise UsageError("no row of the manifest names a bucket", 'Give --bucket NAME, or add a column "bucket".')


def beside(manifest: str, given: Path | None, suffix: str, option: str) -> Path:
    """Give the file asked for, or the one named after the manifest. Raises UsageError where that is standard input."""
    if given is not None:
        return given
    if manifest == STANDARD_INPUT:
        raise UsageError(
            f"standard input has no name to derive {option} from",
            "With - as the manifest give --format, --output and --checkpoint.",
        )
    return Path(manifest + suffix)
