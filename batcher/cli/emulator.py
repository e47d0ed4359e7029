"""`batcher emulator`: runs a local copy of the workflow API."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from batcher.emulator.documents import PROJECT
from batcher.emulator.faults import AFTER, BEFORE
from batcher.emulator.options import EmulatorOptions
from batcher.emulator.parsing import keys_in
from batcher.emulator.quirks import described_quirks
from batcher.emulator.settings import MADE_UP, Settings
from batcher.errors import ExitCode, UsageError
from batcher.model import Credentials

if TYPE_CHECKING:
    from batcher.emulator.twin import Emulator

OPTIONS = EmulatorOptions

KEYS = ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN")

QUIRKS = "\n\n".join(f"\b\n{paragraph}" for paragraph in described_quirks())

HELP = f"""Run the workflow APIs locally: signatures, executions, throttling, and faults on request.

\b
Examples:
  batcher emulator --port 8080 --workflow transcode \\
      --parameter template-id:integer
  batcher emulator --rate 200 --fault 500=1% --fault reset-after=1% --seed 7 \\
      --ledger starts.jsonl
  batcher emulator --list-delay 20 --past 100000 --input-shape records \\
      --input-keys encoded
  batcher emulator --quirk local-time=8 --quirk page-limit=10 --quirk keys-nfc

The emulator prints "listening on URL", followed by the settings that make batcher use it:

\b
  export OBS_ENDPOINT=URL
  export OBS_ACCESS_KEY_ID={MADE_UP.access_key}
  export OBS_SECRET_ACCESS_KEY={MADE_UP.secret_key}

If the environment already has credentials, the emulator accepts those, with OBS_SECURITY_TOKEN if that is set, and
does not print them. It serves loopback addresses only. SIGINT or SIGTERM ends it, with a summary on stderr.

OBS v2 and DWR v3 are served on one ledger. For DWR, give batcher --api dwr-v3 --project-id {PROJECT}.

GET URL/emulator/ledger shows what was really started, regardless of what the client was answered: all starts, distinct
starts, and those started twice.

\b
The rate and the faults can be changed while it runs:
  curl -d 125 URL/emulator/rate            (or none)
  curl -d "500=50%" URL/emulator/faults    (any number of faults, or none)

\b
Faults (--fault KIND=SHARE) before the start is committed; no execution runs:
{chr(10).join(f"  {kind:<14}{fault.meaning}" for kind, fault in BEFORE.items())}

\b
Faults after the start is committed; the execution runs:
{chr(10).join(f"  {kind:<14}{fault.meaning}" for kind, fault in AFTER.items())}

Quirks (--quirk NAME or NAME=VALUE) make it behave differently, and combine. A value in brackets may be omitted.

{QUIRKS}
"""


def emulator(options: EmulatorOptions) -> ExitCode:
    """Serve until a signal or the end of --duration, then print a summary."""
    import asyncio

    from batcher.app.process import fast_loop
    from batcher.edges.transport.trust import check_key_log

    check_key_log(os.environ)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_serve(_settings(options), options.duration))
    return ExitCode.OK


def _settings(options: EmulatorOptions) -> Settings:
    return Settings(
        credentials=_credentials(os.environ),
        workflows={name: dict(options.parameters) for name in options.workflows},
        port=options.port,
        ledger=options.ledger,
        past=options.past,
        run_time=options.run_time,
        run_spread=options.run_spread,
        fail_share=options.fail_share,
        timeout_share=options.timeout_share,
        cancel_share=options.cancel_share,
        abandon_share=options.abandon_share,
        reject_share=options.reject_share,
        rate=options.rate,
        burst=options.burst,
        most_in_flight=options.most_in_flight,
        most_running=options.most_running,
        throttle_answer=options.throttle_answer,
        retry_after=options.retry_after,
        seed=options.seed,
        faults=dict(options.faults),
        restore_faults=dict(options.restore_faults),
        slow=options.slow,
        list_delay=options.list_delay,
        list_forbidden=options.list_forbidden,
        get_forbidden=options.get_forbidden,
        input_shape=options.input_shape,
        input_keys=options.input_keys,
        input_twice=options.input_twice,
        strip_leading_slash=options.strip_leading_slash,
        unknown_workflow=options.unknown_workflow,
        quirks=options.quirks,
        buckets={name: keys_in(objects) for name, objects in options.buckets},
        bucket_faults=dict(options.bucket_faults),
    )


def _credentials(environment: Mapping[str, str]) -> Credentials:
    """Return the credentials of the environment, else the documented test credentials."""
    access_key, secret_key, token = (environment.get(name, "") for name in KEYS)
    if bool(access_key) != bool(secret_key):
        raise UsageError(f"only one of {KEYS[0]} and {KEYS[1]} is set", "Set both, or neither.")
    return Credentials(access_key, secret_key, token, source="environment") if access_key else MADE_UP


async def _serve(settings: Settings, duration: float | None) -> None:
    import asyncio

    from batcher.app.voice import say
    from batcher.emulator.server import serve

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(settings) as service:
        _introduce(service)
        with suppress(TimeoutError):
            async with asyncio.timeout(duration):
                await stop.wait()
    say(service.ledger.closing_line())


def _introduce(service: Emulator) -> None:
    """Print the URL first and flush it, since a caller may wait for that line. Then print the settings for batcher."""
    print(f"listening on {service.url}", flush=True)
    print(f"export OBS_ENDPOINT={service.url}")
    if service.settings.credentials is MADE_UP:
        print(f"export {KEYS[0]}={MADE_UP.access_key}")
        print(f"export {KEYS[1]}={MADE_UP.secret_key}")
    sys.stdout.flush()
