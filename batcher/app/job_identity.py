"""The identity of a job: checks the names in its options, finds its paths, and makes its job card."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import structs

from batcher.edges.checkpoint.places import folder_of, is_same, is_there, kept, real
from batcher.edges.manifest import AnyManifest, Choice, has_addresses
from batcher.errors import UsageError
from batcher.options.groups import Manifest
from batcher.options.verbs import CheckOptions, RunOptions
from batcher.rules.job.card import STANDARD_INPUT, Card
from batcher.rules.report.next_commands import Job
from batcher.rules.rows.headings import OWN
from batcher.rules.rows.identity import bucket_fault, canonical
from batcher.rules.service.dialect import Dialect


def identity(options: RunOptions | CheckOptions, dialect: Dialect, project: str = "") -> Card:
    """Check the names, and return the card with what rows depend on. Raises UsageError for an invalid name."""
    fault = dialect.workflow_fault(options.workflow)
    if fault is not None:
        raise UsageError(f"--workflow {options.workflow}: {fault}")
    fault = None if options.bucket is None else bucket_fault(options.bucket)
    if fault is not None:
        raise UsageError(f"--bucket {options.bucket}: {fault}")
    return Card(
        endpoint=dialect.endpoint(options.endpoint, allow_http=options.allow_http).url,
        workflow=options.workflow,
        static_inputs=canonical(options.inputs).decode() or "{}",
        bucket=options.bucket or "",
        project=project,
        dialect=dialect.name,
    )


def card_of(options: RunOptions, dialect: Dialect, project: str = "") -> Card:
    """Return the card of the job that `options` describe. Raises UsageError for an invalid name."""
    folder = folder_of(options.checkpoint)
    return structs.replace(
        identity(options, dialect, project),
        manifest=STANDARD_INPUT if options.manifest is None else _kept_manifest(options, folder),
        output=kept(options.output, folder),
        format=str(options.format or ""),
        storage_classes=tuple(sorted(options.storage_classes)),
        keep_placeholders=options.keep_placeholders,
        allow_duplicates=options.allow_duplicates,
        ignore_columns=tuple(sorted(options.ignore_columns)),
        shard=str(options.shard or ""),
        ledger="" if options.ledger is None else kept(options.ledger, folder),
    )


def _kept_manifest(options: RunOptions, folder: Path) -> str:
    """Return the path of the manifest for the card: relative also beside a run folder, so that both can be moved."""
    assert options.manifest is not None  # noqa: S101 - the caller has looked
    beside = kept(options.manifest, folder.parent)
    is_beside = options.shard is not None and not Path(beside).is_absolute()
    return f"../{beside}" if is_beside else kept(options.manifest, folder)


def choice_of(options: Manifest) -> Choice:
    """Return which entries of a manifest are rows, and which columns are not used.

    Raises UsageError for a column without which no row can be read as it is meant.
    """
    for name in OWN:
        if name in options.ignore_columns:
            raise UsageError(f"--ignore-column {name}: this column cannot be ignored", "Remove it from the manifest.")
    return Choice(options.keep_placeholders, options.storage_classes, options.ignore_columns)


def is_side_manifest(job: Card, wanted: Card, folder: Path) -> bool:
    """Return whether a command's manifest is another one than the job's own, and the job's own still exists.

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
    """Return whether a path is that of the job's own manifest, or leads to the same file."""
    own = job.card.manifest
    return str(manifest) == STANDARD_INPUT == own or str(real(manifest)) == own or is_same(manifest, Path(own))


def job_of(card: Card, checkpoint: Path) -> Job:
    """Return the job with the current paths of its files."""
    folder = folder_of(checkpoint)
    manifest, output, ledger = (
        path if path in {"", STANDARD_INPUT} else os.path.normpath(folder / path)
        for path in (card.manifest, card.output, card.ledger)
    )
    return Job(structs.replace(card, manifest=manifest, output=output, ledger=ledger), os.path.realpath(checkpoint))


def need_bucket(manifest: AnyManifest, format_: str, bucket: str | None, path: Path | None) -> None:
    """Raise UsageError if no row can have a bucket. Otherwise every single row would be invalid.

    `path` is that of the manifest. Its objects may be addresses, which name their buckets.
    """
    is_needed = format_ == "txt" or (manifest.header and "bucket" not in manifest.header)
    if bucket is None and is_needed and not has_addresses(path):
        raise UsageError("no row of the manifest names a bucket", 'Give --bucket NAME, or add a column "bucket".')
