"""`batcher man`: the manual page, from the same texts and flags as the help."""

from __future__ import annotations

from typing import Any

import typer

from batcher import __version__
from batcher.cli.verbs import SUMMARY, VERBS, verb_command
from batcher.rules import roff
from batcher.rules.report.summary import MEANINGS

HELP = """Print the manual page of batcher and all of its verbs, as roff.

\b
Examples:
  batcher man | man -l -
  batcher man > /usr/local/share/man/man1/batcher.1
"""

FILES = (
    ("batcher.toml", "Defaults for flags, in the working directory; see batcher config."),
    ("MANIFEST.checkpoint", "What a job remembers between runs."),
    ("MANIFEST.executions.jsonl", "A job's records, one for each row."),
    ("~/.huaweicloud/credentials", "The credentials file of the v3 SDKs, where the environment has no keys."),
)
_NAMES = "OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY, OBS_SECURITY_TOKEN"
ENVIRONMENT = {
    "BATCHER_FLAG": "Sets --flag of any verb, such as BATCHER_MAX_RATE for --max-rate; several values have blanks"
    " between them. The command line goes before it, batcher.toml after it.",
    _NAMES: "The keys that sign requests, else HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK and"
    " HUAWEICLOUD_SDK_SECURITY_TOKEN, else HW_ACCESS_KEY, HW_SECRET_KEY and HW_SECURITY_TOKEN.",
    "OBS_ENDPOINT": "The service, where --endpoint and BATCHER_ENDPOINT do not name it.",
}


def man() -> None:
    """Print the page."""
    print(page(), end="")


def page() -> str:
    """Write the manual page of the whole command."""
    return roff.title("batcher", __version__) + "".join(
        (
            roff.section("name", f"batcher \\- {roff.escaped(SUMMARY[0].lower() + SUMMARY[1:].rstrip('.'))}\n"),
            roff.section("synopsis", "".join(f".PP\n{roff.escaped(_usage(verb))}\n" for verb in VERBS)),
            roff.section("description", roff.paragraphs(_description())),
            roff.section("verbs", "".join(roff.subsection(f"batcher {verb}", _verb(verb)) for verb in VERBS)),
            roff.section("exit status", roff.definitions((str(code.value), text) for code, text in MEANINGS.items())),
            roff.section("environment", roff.definitions(ENVIRONMENT.items())),
            roff.section("files", roff.definitions(FILES)),
        )
    )


def _description() -> str:
    return f"{SUMMARY}\n\nEach verb has its own help: batcher VERB --help. The first to know is batcher run."


def _verb(name: str) -> str:
    command, context = _called(name)
    records = [param.get_help_record(context) for param in command.get_params(context)]
    return roff.paragraphs(command.help) + roff.definitions(record for record in records if record is not None)


def _usage(name: str) -> str:
    command, context = _called(name)
    return f"batcher {name} {' '.join(command.collect_usage_pieces(context))}"


def _called(name: str) -> tuple[Any, Any]:
    command = verb_command(name)
    return command, typer.Context(command, info_name=name, help_option_names=["-h", "--help"])
