"""`batcher emulator`: the options of the service's local twin, and its life from the first line to the summary."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batcher.app.process import fast_loop
from batcher.app.voice import complain, say
from batcher.emulator.faults import AFTER, BEFORE
from batcher.emulator.parsing import parse_fault, parse_parameter, parse_quirk, parse_refusal, parse_share
from batcher.emulator.quirks import described_quirks
from batcher.emulator.settings import MADE_UP, InputKeys, InputShape, Settings, ThrottleAnswer
from batcher.errors import JobError, UsageError
from batcher.model import Credentials

if TYPE_CHECKING:
    from batcher.emulator.twin import Emulator

KEYS = ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN")

HELP = f"""Serve the workflow API on this machine: signatures, executions, throttling, and faults on request.

\b
Examples:
  batcher emulator --port 8080 --workflow transcode --parameter template-id:integer
  batcher emulator --rate 200 --fault 500=1% --fault reset-after=1% --seed 7 --ledger starts.jsonl
  batcher emulator --list-delay 20 --input-shape records --input-keys encoded --past 100000

The first line on stdout is "listening on URL", then come the exports that point batcher at it. GET URL/emulator/ledger
tells what truly started, whatever the client was told: starts, distinct ones, and those started twice.

\b
While it runs it can be told another rate, and other faults:
  curl -d 125 URL/emulator/rate            (or none)
  curl -d "500=50%" URL/emulator/faults    (any number of them, or none at all)

\b
  export OBS_ENDPOINT=URL
  export OBS_ACCESS_KEY_ID={MADE_UP.access_key}
  export OBS_SECRET_ACCESS_KEY={MADE_UP.secret_key}

Keys that are in the environment already are the ones that it accepts, with OBS_SECURITY_TOKEN if that is set; those are
not printed. It serves loopback addresses only. SIGINT and SIGTERM end it, with a summary on stderr.

\b
Faults (--fault KIND=SHARE), before the start is committed: no execution exists.
{chr(10).join(f"  {kind:<14}{fault.meaning}" for kind, fault in BEFORE.items())}

\b
Faults after the start was committed: the execution runs.
{chr(10).join(f"  {kind:<14}{fault.meaning}" for kind, fault in AFTER.items())}

\b
Quirks (--quirk NAME or NAME=VALUE), which combine:
{described_quirks()}
"""


def emulator(  # noqa: PLR0913, PLR0917 - one argument for each option of the command
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 takes any free one.", min=0, max=65535)] = 0,
    workflow: Annotated[
        list[str] | None,
        typer.Option(help="A workflow that exists; repeatable.  [default: transcode]", metavar="NAME"),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="A parameter of every workflow, NAME:TYPE[=DEFAULT]; repeatable.", metavar="NAME:TYPE"),
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Append each true start to this file, as a line of JSON.", metavar="FILE")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="End after so many seconds.", min=0, metavar="SECONDS")] = None,
    run_time: Annotated[float, typer.Option(help="How long an execution runs.", min=0, metavar="SECONDS")] = 5.0,
    fail_share: Annotated[str, typer.Option(help="The objects whose executions fail.", metavar="SHARE")] = "0",
    reject_share: Annotated[
        str, typer.Option(help="The objects that are missing: 404 SYS.0015.", metavar="SHARE")
    ] = "0",
    past: Annotated[int, typer.Option(help="Executions that ended earlier.", min=0, metavar="N")] = 0,
    rate: Annotated[float | None, typer.Option(help="Starts a second.", min=0.001, metavar="N")] = None,
    burst: Annotated[
        int | None, typer.Option(help="Starts at once.  [default: a tenth of the rate]", min=1, metavar="N")
    ] = None,
    throttle_answer: Annotated[
        ThrottleAnswer, typer.Option(help="How a start over the rate is refused.")
    ] = ThrottleAnswer.SLOWDOWN,
    retry_after: Annotated[
        int | None, typer.Option(help="Send Retry-After with SlowDown and 429.", min=0, metavar="SECONDS")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="The share of starts with a fault, 0.01 or 1%; repeatable.", metavar="KIND=SHARE"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which starts and objects are struck.", metavar="N")] = 0,
    slow: Annotated[float, typer.Option(help="How late a slow answer is.", min=0, metavar="SECONDS")] = 1.0,
    list_delay: Annotated[
        float, typer.Option(help="How long an execution is missing from the list.", min=0, metavar="SECONDS")
    ] = 0.0,
    list_forbidden: Annotated[bool, typer.Option("--list-forbidden", help="Refuse to list: 403.")] = False,
    get_forbidden: Annotated[
        bool, typer.Option("--get-forbidden", help="Refuse to describe an execution: 403.")
    ] = False,
    input_shape: Annotated[
        InputShape, typer.Option(help="How an execution's input names the object.")
    ] = InputShape.PLAIN,
    input_keys: Annotated[InputKeys, typer.Option(help="How the key stands in records.")] = InputKeys.RAW,
    input_twice: Annotated[bool, typer.Option("--input-twice", help="Wrap the input in a JSON string.")] = False,
    strip_leading_slash: Annotated[
        bool, typer.Option("--strip-leading-slash", help="Drop a key's leading slash from the input.")
    ] = False,
    unknown_workflow: Annotated[
        str, typer.Option(help="How an unknown workflow is refused.", metavar="STATUS:CODE")
    ] = "404:Workflow.0001",
    quirk: Annotated[
        list[str] | None,
        typer.Option(help="Behave differently: see above; repeatable.", metavar="NAME[=VALUE]"),
    ] = None,
) -> None:
    """Check the options, serve until the end, and sum up."""
    try:
        declared = dict(parse_parameter(text) for text in parameter or ())
        settings = Settings(
            credentials=_credentials(os.environ),
            workflows=dict.fromkeys(workflow or ("transcode",), declared),
            port=port,
            ledger=ledger,
            past=past,
            run_time=run_time,
            fail_share=parse_share(fail_share),
            reject_share=parse_share(reject_share),
            rate=rate,
            burst=burst,
            throttle_answer=throttle_answer,
            retry_after=retry_after,
            seed=seed,
            faults=dict(parse_fault(text) for text in fault or ()),
            slow=slow,
            list_delay=list_delay,
            list_forbidden=list_forbidden,
            get_forbidden=get_forbidden,
            input_shape=input_shape,
            input_keys=input_keys,
            input_twice=input_twice,
            strip_leading_slash=strip_leading_slash,
            unknown_workflow=parse_refusal(unknown_workflow),
            quirks=dict(parse_quirk(text) for text in quirk or ()),
        )
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(settings, duration))
    except JobError as error:
        complain(error)
        sys.exit(error.exit_code)


def _credentials(environment: Mapping[str, str]) -> Credentials:
    """Give the keys of the environment, or the well-known made-up pair."""
    access_key, secret_key, token = (environment.get(name, "") for name in KEYS)
    if bool(access_key) != bool(secret_key):
        raise UsageError(f"of {KEYS[0]} and {KEYS[1]} only one is set", "Set both, or neither.")
    return Credentials(access_key, secret_key, token, source="environment") if access_key else MADE_UP


async def _serve(settings: Settings, duration: float | None) -> None:
    # Imported late, so that the help does not wait for the HTTP server.
    from batcher.emulator.server import serve  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(settings) as service:
        _introduce(service)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), duration)
    say(service.ledger.closing_line())


def _introduce(service: Emulator) -> None:
    """Print where it listens, first and at once, for whoever waits for that line; then how to point batcher at it."""
    print(f"listening on {service.url}", flush=True)
    print(f"export OBS_ENDPOINT={service.url}")
    if service.settings.credentials is MADE_UP:
        print(f"export {KEYS[0]}={MADE_UP.access_key}")
        print(f"export {KEYS[1]}={MADE_UP.secret_key}")
    sys.stdout.flush()
