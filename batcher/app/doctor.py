"""What `batcher doctor` does: one start, requests about it, and the settings that follow."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from batcher.app.api import choose
from batcher.app.doctor_control import Keeper, open_keeper
from batcher.app.service import Site, open_credentials, open_service
from batcher.app.voice import Voice
from batcher.app.world import World
from batcher.edges.settings_file import check_place, read_settings, write_settings
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow import doctor
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.flow.service import Service
from batcher.model import Answer, Row
from batcher.options.verbs import DoctorOptions
from batcher.rules.doctor.advice import ending, prescription
from batcher.rules.doctor.points import Seen, phrase
from batcher.rules.rows.declared import judge_of
from batcher.rules.rows.identity import canonical, content_key
from batcher.rules.service.names import endpoint as endpoint_of
from batcher.rules.settings_file import Edited, Setting, edited
from batcher.rules.text import printable


class Examined(NamedTuple):
    """What one start in an API showed, the settings that follow, and the new text of the settings file."""

    api: str
    seen: Seen
    settings: Mapping[str, Setting]
    file: Edited


async def examine(options: DoctorOptions, world: World, show: Callable[[Examined], None]) -> ExitCode:
    """Start one execution, show the results, and write the settings that follow.

    Raises JobError where no start can be made, and where its outcome is one.
    """
    # Before the start, so that it is not wasted if the settings cannot be written.
    check_place(options.write)
    _edited(options.write, {})
    drain = Drain()
    endpoint = endpoint_of(options.endpoint, allow_http=options.allow_http).url
    api = await choose(options, world, drain, options.checkpoint)
    site = Site(endpoint, options.workflow, 1, options.timeout, options.trust)
    with world.draining_on_signals(drain.begin, world.voice.say):
        async with (
            open_keeper(options, endpoint, world, api) as keeper,
            open_credentials(options.credentials, world, drain, world.voice.warn) as credentials,
            open_service(site, credentials, world, drain, world.voice.warn, api.dialect) as service,
        ):
            described = (await contact(service.workflow, drain, world.draw, world.monotonic)).noun
            if isinstance(drain.reason, JobError):
                raise drain.reason
            fault = None if described is None else judge_of(described.parameters)(canonical(options.inputs)).fault
            if fault is not None:
                raise UsageError(
                    f"the workflow would not run with these inputs: {fault}; nothing was started",
                    "Set what it declares with --input NAME=VALUE or NAME:=JSON.",
                )
            seen = await doctor.examine(_examination(options, world.voice, service, keeper), _row(options))
    return _end(options, show, api.dialect.name, seen, drain.reason)


def _row(options: DoctorOptions) -> Row:
    inputs = canonical(options.inputs)
    key = content_key(options.bucket, options.object, inputs)
    return Row(1, 1, options.bucket, options.object, inputs, key)


def _examination(options: DoctorOptions, voice: Voice, service: Service, keeper: Keeper | None) -> doctor.Examination:
    what = f"{options.workflow} for {options.bucket}/{printable(options.object)}"

    async def start(row: Row) -> Answer:
        voice.say(f"starting ONE execution of {what} now; it is not sent again, whatever the answer")
        intent_at = service.now()
        answer = await service.start(row)
        execution = answer.execution
        voice.say(
            f"started: execution {execution.name}" if execution else f"the answer names no execution: {phrase(answer)}"
        )
        # At once: nothing else knows that this execution exists.
        if keeper is not None:
            await keeper.keep(row, answer, intent_at)
        return answer

    return doctor.Examination(service, start, f"doctor-{secrets.token_hex(8)}", options.patience)


def _end(
    options: DoctorOptions, show: Callable[[Examined], None], api: str, seen: Seen, reason: ExitCode | JobError | None
) -> ExitCode:
    settings = prescription(seen)
    examined = Examined(api, seen, settings, _edited(options.write, settings))
    # Shown before it is written: a full disk must not lose what was paid for.
    show(examined)
    if settings:
        write_settings(options.write, examined.file.text)
    end = ending(seen, reason)
    if isinstance(end, JobError):
        raise end
    return end


def _edited(path: Path, settings: Mapping[str, Setting]) -> Edited:
    try:
        return edited(read_settings(path) or "", settings)
    except UsageError as error:
        raise UsageError(f"{path}: {error}", error.advice) from None
