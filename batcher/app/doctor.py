"""What `batcher doctor` does: one start and the questions about it, the report, and the settings that follow."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from batcher.app.service import Site, open_credentials, open_service
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.credentials import Place
from batcher.edges.settings_file import check_place, read_settings, write_settings
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow import doctor
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.service import Service
from batcher.model import Answer, Json, Row
from batcher.rules.doctor.advice import POINTS, ending, prescription
from batcher.rules.doctor.points import UNTRIED, Finding, Seen, phrase
from batcher.rules.rows.declared import judge_of
from batcher.rules.rows.identity import canonical, content_key
from batcher.rules.settings_file import Edited, Setting, edited
from batcher.rules.text import printable

NEXT: Mapping[ExitCode, str] = {
    ExitCode.OK: "next: batcher run MANIFEST with the same --workflow and endpoint, from this directory",
    ExitCode.ROWS_REJECTED: "The service refused this start: mend the object, the inputs or the workflow.",
    ExitCode.ROWS_IN_DOUBT: "The start may have been carried out, and the list does not show it. Look for it in the"
    " console before another one is made.",
}


class Examining(NamedTuple):
    """What `batcher doctor` was asked for; times are in seconds."""

    endpoint: str
    workflow: str
    bucket: str
    object: str
    inputs: Mapping[str, Json]
    patience: float
    write: Path
    as_json: bool
    timeout: float
    verify_tls: bool
    credentials: Place | None


async def examine(examining: Examining, world: World) -> ExitCode:
    """Make the one start, tell what it has shown, and write the settings. Raises JobError where none can be made."""
    # Before the start, so that it is not spent on settings that have no place.
    check_place(examining.write)
    _edited(examining.write, {})
    drain = Drain()
    site = Site(examining.endpoint, examining.workflow, 1, examining.timeout, examining.verify_tls)
    with world.draining_on_signals(drain.begin, world.voice.say):
        async with (
            open_credentials(examining.credentials, world, drain, world.voice.warn) as credentials,
            open_service(site, credentials, world, drain, world.voice.warn) as service,
        ):
            described = (await contact(service.workflow, drain, world.draw, world.monotonic)).noun
            if isinstance(drain.reason, JobError):
                raise drain.reason
            fault = None if described is None else judge_of(described.parameters)(canonical(examining.inputs)).fault
            if fault is not None:
                raise UsageError(
                    f"the workflow would not run with these inputs: {fault}; nothing was started",
                    "Give what it declares with --input NAME=VALUE, or NAME:=JSON for what is no text.",
                )
            seen = await doctor.examine(_examination(examining, world.voice, service), _row(examining))
    return _end(examining, world.voice, seen, drain.reason)


def _row(examining: Examining) -> Row:
    inputs = canonical(examining.inputs)
    key = content_key(examining.bucket, examining.object, inputs)
    return Row(1, 1, examining.bucket, examining.object, inputs, key)


def _examination(examining: Examining, voice: Voice, service: Service) -> doctor.Examination:
    what = f"{examining.workflow} for {examining.bucket}/{printable(examining.object)}"

    async def start(row: Row) -> Answer:
        voice.say(f"starting ONE execution of {what} now; it is not sent again, whatever the answer")
        answer = await service.start(row)
        execution = answer.execution
        voice.say(f"started: execution {execution.name}" if execution else f"no execution is named: {phrase(answer)}")
        return answer

    return doctor.Examination(service, start, f"doctor-{secrets.token_hex(8)}", examining.patience)


def _end(examining: Examining, voice: Voice, seen: Seen, reason: ExitCode | JobError | None) -> ExitCode:
    settings = prescription(seen)
    found = _edited(examining.write, settings)
    # Told before it is written: what was paid for must not be lost with a full disk.
    if examining.as_json:
        print(json.dumps(_document(examining, seen, settings, found)))
    else:
        _tell(examining, seen, settings, found)
    if settings:
        write_settings(examining.write, found.text)
    end = ending(seen, reason)
    if isinstance(end, JobError):
        voice.complain(end)
        return end.exit_code
    if end in NEXT:
        voice.say(NEXT[end])
    return end


def _edited(path: Path, settings: Mapping[str, Setting]) -> Edited:
    try:
        return edited(read_settings(path) or "", settings)
    except UsageError as error:
        raise UsageError(f"{path}: {error}", error.advice) from None


def _document(examining: Examining, seen: Seen, settings: Mapping[str, Setting], found: Edited) -> dict[str, Json]:
    told = {point.name: point.tell(seen) for point in POINTS}
    return {
        "endpoint": examining.endpoint,
        "workflow": examining.workflow,
        "bucket": examining.bucket,
        "object": examining.object,
        "execution_name": None if seen.execution is None else seen.execution.name,
        "points": [
            {
                "point": point.name,
                "assumed": point.assumed,
                "finding": told[point.name].finding,
                "seen": told[point.name].seen,
            }
            for point in POINTS
        ],
        "untried": list(UNTRIED),
        "settings": {key: setting._asdict() for key, setting in settings.items()},
        "kept": dict(found.kept),
        "file": str(examining.write) if settings else None,
    }


def _tell(examining: Examining, seen: Seen, settings: Mapping[str, Setting], found: Edited) -> None:
    if seen.execution is not None:
        print(f"execution {seen.execution.name}")
    for line in _lines(seen):
        print(line)
    if settings:
        print(f"\n{examining.write}:")
    for key, setting in settings.items():
        value = json.dumps(setting.value)
        if key in found.kept:
            print(f"  {key} = {json.dumps(found.kept[key])}, as you wrote it, where {value} would follow")
        else:
            print(f"  {key} = {value}, since {setting.why}")


def _lines(seen: Seen) -> Sequence[str]:
    lines = []
    for point in POINTS:
        finding, what = point.tell(seen)
        but = f", not that {point.assumed}" if finding is Finding.DIFFERS else ""
        lines.append(f"{finding:<10} {point.name:<17} {printable(what)}{but}")
    return [*lines, *(f"{'untried':<28} {what}" for what in UNTRIED)]
