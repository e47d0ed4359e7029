"""What `batcher doctor` does: one start and the questions about it, the report, and the settings that follow."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from batcher.app.service import open_keys
from batcher.app.world import World
from batcher.edges.service import ObsV2
from batcher.edges.settings_file import check_place, read_settings, write_settings
from batcher.errors import ExitCode, JobError, UsageError
from batcher.flow import doctor
from batcher.flow.drain import Drain
from batcher.flow.preflight import contact
from batcher.model import Answer, Row
from batcher.options.verbs import DoctorOptions
from batcher.rules.doctor.advice import ending, prescription
from batcher.rules.doctor.points import Seen, phrase
from batcher.rules.rows.declared import judge_of
from batcher.rules.rows.identity import canonical, content_key
from batcher.rules.service import answers, names
from batcher.rules.settings_file import Edited, Setting, edited
from batcher.rules.text import printable


class Examined(NamedTuple):
    """What one start has shown, the settings that follow, and the text of the file that they go into."""

    seen: Seen
    settings: Mapping[str, Setting]
    file: Edited


async def examine(options: DoctorOptions, world: World, show: Callable[[Examined], None]) -> ExitCode:
    """Make the one start, show what it has shown, and write the settings that follow.

    Raises JobError where no start can be made, and where its outcome is one.
    """
    # Before the start, so that it is not spent on settings that have no place.
    check_place(options.write)
    _edited(options.write, {})
    drain = Drain()
    with world.draining_on_signals(drain.begin, world.voice.say):
        async with (
            open_keys(options.credentials, world, drain, world.voice.warn) as keys,
            world.connect(
                names.endpoint(options.endpoint, allow_http=options.allow_http).url,
                connections=1,
                timeout=options.timeout,
                verify_tls=options.verify_tls,
            ) as transport,
        ):
            service, unknown = (
                ObsV2(transport.send, keys.use, name, world.voice.warn, clock=world.clock, steady=world.steady)
                for name in (options.workflow, f"doctor-{secrets.token_hex(8)}")
            )
            described = answers.workflow(await contact(service.get_workflow, drain, world.draw, world.monotonic))
            if isinstance(drain.reason, JobError):
                raise drain.reason
            fault = None if described is None else judge_of(described.parameters)(canonical(options.inputs)).fault
            if fault is not None:
                raise UsageError(
                    f"the workflow would not run with these inputs: {fault}; nothing was started",
                    "Set what it declares with --input NAME=VALUE or NAME:=JSON.",
                )
            seen = await doctor.examine(_examination(options, world, service, unknown, drain), _row(options))
    return _end(options, show, seen, drain.reason)


def _row(options: DoctorOptions) -> Row:
    inputs = canonical(options.inputs)
    key = content_key(options.bucket, options.object, inputs)
    return Row(1, 1, options.bucket, options.object, inputs, key)


def _examination(
    options: DoctorOptions, world: World, service: ObsV2, unknown: ObsV2, drain: Drain
) -> doctor.Examination:
    what = f"{options.workflow} for {options.bucket}/{printable(options.object)}"

    async def start(body: bytes) -> Answer:
        world.voice.say(f"starting ONE execution of {what} now; it is not sent again, whatever the answer")
        answer = await service.start(body)
        execution = answers.started(answer)
        world.voice.say(
            f"started: execution {execution.name}" if execution else f"no execution is named: {phrase(answer)}"
        )
        return answer

    return doctor.Examination(
        get_workflow=service.get_workflow,
        get_unknown=unknown.get_workflow,
        start=start,
        list_page=service.list_executions,
        get_execution=service.get_execution,
        sleep=drain.sleep,
        stopped=lambda: drain.begun,
        now=service.now,
        clock=world.clock,
        steady=world.steady,
        draw=world.draw,
        patience=options.patience,
    )


def _end(
    options: DoctorOptions, show: Callable[[Examined], None], seen: Seen, reason: ExitCode | JobError | None
) -> ExitCode:
    settings = prescription(seen)
    examined = Examined(seen, settings, _edited(options.write, settings))
    # Shown before it is written: what was paid for must not be lost with a full disk.
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
