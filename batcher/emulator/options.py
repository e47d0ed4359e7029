"""The options of `batcher emulator`: the settings of the service's local twin, as a person gives them.

No `from __future__ import annotations` here: the declarations are read off the annotations at run time.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from batcher.emulator.answers import Refusal
from batcher.emulator.faults import FaultKind
from batcher.emulator.parsing import parse_bucket, parse_fault, parse_parameter, parse_quirk, parse_refusal, parse_share
from batcher.emulator.quirks import Quirk, QuirkValue
from batcher.emulator.settings import NO_WORKFLOW, Declared, InputKeys, InputShape, ThrottleAnswer
from batcher.options.declaring import Option, Options
from batcher.options.kinds import DURATION, Kind, many


def _parsed(parse: Callable[[str], Any], *kinds: type) -> Callable[[Any], Any]:
    """Take what is of the kind already, and parse a text."""

    def take(given: Any) -> Any:
        if isinstance(given, str):
            return parse(given)
        if isinstance(given, kinds) and not isinstance(given, bool):
            return given
        raise ValueError

    return take


def _written_parameter(parameter: tuple[str, Declared]) -> str:
    name, declared = parameter
    return f"{name}:{declared.type}" + ("" if declared.default is None else f"={declared.default}")


def _written_quirk(given: tuple[Quirk, QuirkValue]) -> str:
    quirk, value = given
    if value is None:
        return quirk.value
    return f"{quirk}={value if isinstance(value, str) else f'{value:.15g}'}"


SHARE = Kind(_parsed(parse_share, float, int), "a share, such as 0.05 or 5%", "float | str", "SHARE")
FAULT = Kind(
    _parsed(parse_fault, tuple),
    "a fault with its share",
    "str",
    "KIND=SHARE",
    show=lambda fault: f"{fault[0]}={fault[1]:g}",
    choices=tuple(f"{kind}=" for kind in FaultKind),
)
QUIRK = Kind(
    _parsed(parse_quirk, tuple),
    "a quirk, with its value if it takes one",
    "str",
    "NAME[=VALUE]",
    show=_written_quirk,
    choices=tuple(f"{quirk}=" if quirk.needs_value else quirk.value for quirk in Quirk),
)
_QUIRK_LIST = many(QUIRK, dict)
QUIRKS = _QUIRK_LIST._replace(
    take=lambda given: _QUIRK_LIST.take(given.items() if isinstance(given, Mapping) else given),
    show=lambda quirks: _QUIRK_LIST.show(quirks.items()),
)
PARAMETER = Kind(_parsed(parse_parameter, tuple), "a declared parameter", "str", "NAME:TYPE", show=_written_parameter)
BUCKET = Kind(
    _parsed(parse_bucket, tuple),
    "a bucket with its objects",
    "str",
    "BUCKET=COUNT|FILE",
    show=lambda bucket: f"{bucket[0]}={bucket[1]}",
)
REFUSAL = Kind(
    _parsed(parse_refusal, Refusal),
    "a status and a code",
    "str",
    "STATUS:CODE",
    show=lambda refusal: f"{refusal.status}:{refusal.code}",
)


class Emulated(Options):
    """What there is in the emulated service."""

    group = "Service"

    port: Annotated[int, Option("Port on 127.0.0.1; 0 takes any free one.", metavar="PORT", least=0, most=65_535)] = 0
    workflows: Annotated[tuple[str, ...], Option("Workflow that exists.", flag="--workflow", metavar="NAME")] = (
        "transcode",
    )
    parameters: Annotated[
        tuple[tuple[str, Declared], ...],
        Option("Parameter of every workflow, NAME:TYPE[=DEFAULT].", many(PARAMETER), flag="--parameter"),
    ] = ()
    unknown_workflow: Annotated[
        Refusal, Option("Answer to a start of an unknown workflow.", REFUSAL, default="404:Workflow.0001")
    ] = NO_WORKFLOW
    duration: Annotated[float | None, Option("Exit after this time.", DURATION, least=0)] = None
    ledger: Annotated[Path | None, Option("Append each start to this file, as one line of JSON.")] = None


class Buckets(Options):
    """What there is in emulated buckets, and what goes wrong when they are listed."""

    group = "Objects of a bucket"

    buckets: Annotated[
        tuple[tuple[str, int | Path], ...],
        Option("Bucket with COUNT made-up objects, or with a key per line of FILE.", many(BUCKET), flag="--objects"),
    ] = ()
    bucket_faults: Annotated[
        tuple[tuple[FaultKind, float], ...],
        Option("Share of the pages of a bucket's list that meet this fault.", many(FAULT), flag="--bucket-fault"),
    ] = ()


class Executions(Options):
    """What becomes of what is started, and how the service shows it."""

    group = "Executions"

    run_time: Annotated[float, Option("How long an execution runs.", DURATION, least=0)] = 5.0
    run_spread: Annotated[float, Option("Share of that time by which executions run shorter or longer.", SHARE)] = 0.0
    fail_share: Annotated[float, Option("Share of the objects whose executions fail.", SHARE)] = 0.0
    timeout_share: Annotated[float, Option("Share of the objects whose executions time out.", SHARE)] = 0.0
    cancel_share: Annotated[float, Option("Share of the objects whose executions are cancelled.", SHARE)] = 0.0
    abandon_share: Annotated[float, Option("Share whose executions end as ABANDONED, an unknown word.", SHARE)] = 0.0
    reject_share: Annotated[float, Option("Share of the objects that do not exist: 404 SYS.0015.", SHARE)] = 0.0
    past: Annotated[int, Option("Number of executions that ended earlier.", least=0)] = 0
    list_delay: Annotated[float, Option("How long an execution is missing from the list.", DURATION, least=0)] = 0.0
    list_forbidden: Annotated[bool, Option("Refuse to list executions: 403.")] = False
    get_forbidden: Annotated[bool, Option("Refuse to describe an execution: 403.")] = False
    input_shape: Annotated[InputShape, Option("How an execution's input names the object.", metavar="SHAPE")] = (
        InputShape.PLAIN
    )
    input_keys: Annotated[InputKeys, Option("How the object's key is written in records.", metavar="FORM")] = (
        InputKeys.RAW
    )
    input_twice: Annotated[bool, Option("Encode the input as JSON in a JSON string.")] = False
    strip_leading_slash: Annotated[bool, Option("Drop the leading slash of a key from the input.")] = False
    quirks: Annotated[
        Mapping[Quirk, QuirkValue],
        Option("Behave differently, as listed above.", QUIRKS, flag="--quirk"),
    ] = MappingProxyType({})


class Faults(Options):
    """What goes wrong on purpose."""

    group = "Faults"

    rate: Annotated[float | None, Option("Starts per second; without it there is no limit.", least=0.001)] = None
    burst: Annotated[int | None, Option("Starts at once.", least=1, default="a tenth of the rate")] = None
    most_in_flight: Annotated[int | None, Option("Maximum starts in flight.", flag="--in-flight", least=1)] = None
    most_running: Annotated[int | None, Option("Maximum executions at a time.", flag="--running", least=1)] = None
    throttle_answer: Annotated[ThrottleAnswer, Option("Answer to a start over a limit.", metavar="ANSWER")] = (
        ThrottleAnswer.SLOWDOWN
    )
    retry_after: Annotated[
        int | None, Option("Send Retry-After with SlowDown and 429.", metavar="SECONDS", least=0)
    ] = None
    faults: Annotated[
        tuple[tuple[FaultKind, float], ...],
        Option(
            "Share of the starts that meet this fault, such as 500=0.01 or 500=1%.",
            many(FAULT),
            flag="--fault",
        ),
    ] = ()
    restore_faults: Annotated[
        tuple[tuple[FaultKind, float], ...],
        Option("Share of the restores that meet this fault.", many(FAULT), flag="--restore-fault"),
    ] = ()
    seed: Annotated[int, Option("Seed that decides which starts and objects meet a fault.")] = 0
    slow: Annotated[float, Option("Delay of a slow answer.", DURATION, least=0)] = 1.0


class EmulatorOptions(Emulated, Buckets, Executions, Faults):
    """The options of `batcher emulator`."""
