"""The plan of a sharded job: what all its shards must agree on. Pure.

The first shard that begins writes it into the run folder, and the others compare theirs with it.
"""

from __future__ import annotations

import json

from msgspec import Struct, ValidationError, convert, structs, to_builtins

from batcher.errors import OtherJobError
from batcher.rules.job.card import Card
from batcher.rules.shards.assignment import Shard

VERSION = 1
PLAN = "plan.json"
"""The name of the plan in the run folder."""
RUN = "run"
"""How the name of the socket begins by which the command is reached that runs the shards."""

_ADVICE = (
    "Give the command of the other shards, on an unchanged manifest. Another list, another number of shards or other"
    " options make another job: give it a run folder of its own with --run-dir DIR."
)


def stem(shard: Shard) -> str:
    """Return how the names of a shard's files begin."""
    return f"shard-{shard.number:05}"


class Fingerprint(Struct, frozen=True):
    """What identifies the content of a manifest: the SHA-256 of its bytes, and their number."""

    sha256: str
    size: int


class Plan(Struct, frozen=True):
    """The plan. `card` is the job card without the files, `manifest` is None for a list that can be read only once."""

    shards: int
    card: Card
    manifest: Fingerprint | None = None
    version: int = VERSION


def plan_of(card: Card, of: int, format_: str, manifest: Fingerprint | None) -> Plan:
    """Return the plan of the job with this card. `format_` is the format of its manifest, given or found."""
    common = structs.replace(card, manifest="", output="", shard="", cell_types=None, format=format_)
    return Plan(of, common, manifest)


def encoded(plan: Plan) -> bytes:
    """Write a plan as JSON in ASCII."""
    return json.dumps(to_builtins(plan), indent=1).encode() + b"\n"


def decoded(text: bytes, where: str) -> Plan:
    """Read what `encoded` wrote. Raises OtherJobError if it is no plan that this version can use."""
    try:
        values = json.loads(text)
        version = values["version"]
        plan = convert(values, Plan) if version == VERSION else None
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise OtherJobError(
            f"{where}: not the plan of a sharded job: {error}", "Restore the file, or give another --run-dir."
        ) from None
    if plan is None:
        raise OtherJobError(
            f"{where}: the plan has version {version}; this version of batcher reads version {VERSION}",
            "Use the version of batcher that began the job.",
        )
    return plan


def need_same(kept: Plan, wanted: Plan, where: str) -> None:
    """Raise OtherJobError if a shard of the job `wanted` must not work in the run folder of the job `kept`."""
    if kept.shards != wanted.shards:
        raise OtherJobError(f"{where}: the job has {kept.shards:,} shards, not {wanted.shards:,}", _ADVICE)
    for name in kept.card.__struct_fields__:
        ours, theirs = getattr(kept.card, name), getattr(wanted.card, name)
        if ours != theirs:
            raise OtherJobError(
                f"{where}: this run folder is of another job: {name.replace('_', ' ')} {ours!r}, not {theirs!r}",
                _ADVICE,
            )
    if kept.manifest != wanted.manifest:
        raise OtherJobError(
            f"{where}: the manifest is not the one that the job began with: {_shown(kept.manifest)}, not"
            f" {_shown(wanted.manifest)}",
            _ADVICE,
        )


def _shown(manifest: Fingerprint | None) -> str:
    return "a list read once" if manifest is None else f"{manifest.size:,} bytes, SHA-256 {manifest.sha256[:12]}..."
