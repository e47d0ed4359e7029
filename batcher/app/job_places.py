"""Finds the files of a job from one of them: every verb takes the manifest, the checkpoint or the records alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from batcher.app.job_identity import job_of
from batcher.edges.checkpoint import reading
from batcher.edges.checkpoint.places import is_database, is_there
from batcher.edges.run_folder import is_run_folder
from batcher.errors import UsageError
from batcher.options.declaring import Options
from batcher.options.groups import CHECKPOINT, RECORDS, RUN_FOLDER, Manifest, OfJob, OfManifest
from batcher.rules.job.card import STANDARD_INPUT, Card

T = TypeVar("T", bound=Options)


def located(options: T) -> T:
    """Return the options with the files that a verb needs: of the job whose manifest, checkpoint or records were given.

    Raises UsageError if a manifest is needed and the job's was standard input, and what reading a checkpoint raises.
    """
    if isinstance(options, OfJob):
        return options.but(checkpoint=checkpoint_of(options.checkpoint))
    path = options.manifest if isinstance(options, OfManifest | Manifest) else None
    if path is not None and isinstance(options, OfManifest) and not options.has("checkpoint"):
        found = checkpoint_of(path)
        if is_run_folder(found):
            return options.but(**_job_of_folder(found))
    return options if path is None or not is_database(path) else options.but(**_job_of_checkpoint(path, options))


def checkpoint_of(path: Path) -> Path:
    """Return the checkpoint, or the run folder, of the job that a file belongs to; the path itself if none is found."""
    if is_database(path):
        return path
    if is_run_folder(path):
        return path
    named = [Path(f"{path}{CHECKPOINT}")]
    if path.name.endswith(RECORDS):
        named.append(path.with_name(path.name.removesuffix(RECORDS) + CHECKPOINT))
    found = next((each for each in named if is_there(each)), None)
    folder = Path(f"{path}{RUN_FOLDER}")
    return found or (folder if is_run_folder(folder) else path)


def _job_of_folder(folder: Path) -> dict[str, Any]:
    """Return the files of the job with this run folder."""
    # Imported here, since most jobs have none.
    from batcher.app.run_folder import job_at  # noqa: PLC0415

    card = job_at(folder).card
    _need_manifest(folder, card)
    return {"manifest": Path(card.manifest), "checkpoint": folder}


def _need_manifest(path: Path, card: Card) -> None:
    if card.manifest == STANDARD_INPUT:
        raise UsageError(
            f"{path}: the manifest of this job was standard input, which cannot be read again",
            "Use batcher export, which writes the final state of each row.",
        )


def _job_of_checkpoint(path: Path, options: Options) -> dict[str, Any]:
    """Return the files of the job with this checkpoint, except for those that the user has named."""
    with reading(path) as kept:
        card = job_of(kept.card, path).card
    if isinstance(options, OfManifest):
        _need_manifest(path, card)
    found: dict[str, Any] = {
        "manifest": None if card.manifest == STANDARD_INPUT else Path(card.manifest),
        "checkpoint": path,
        "output": Path(card.output),
        "format": card.format or None,
    }
    # What a verb writes is not the output of the job.
    known = {"manifest", "checkpoint", "format"} if isinstance(options, OfManifest) else found.keys()
    return {name: found[name] for name in known if name == "manifest" or not options.has(name)}
