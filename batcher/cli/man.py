"""`batcher man`: prints the manual page, made from the same texts and flags as the help."""

from __future__ import annotations

from batcher import __version__
from batcher.cli.help import panels, usage
from batcher.cli.verbs import SUMMARY, VERBS, module_of
from batcher.errors import MEANINGS, ExitCode
from batcher.options.verbs import ManOptions
from batcher.rules import roff

OPTIONS = ManOptions

HELP = """Print the manual page of batcher and all of its commands, as roff.

\b
Examples:
  batcher man | man -l -
  batcher man > /usr/local/share/man/man1/batcher.1
"""

FILES = (
    ("batcher.toml", "Values for options, in the working directory; see batcher config."),
    ("MANIFEST.checkpoint", "The progress of a job between runs."),
    ("MANIFEST.executions.jsonl", "The records of a job, one per row."),
    ("~/.huaweicloud/credentials", "The credentials file of the v3 SDKs, used if the environment has none."),
)
_NAMES = "OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY, OBS_SECURITY_TOKEN"
ENVIRONMENT = {
    "BATCHER_OPTION": "Sets --option of any command, such as BATCHER_MAX_RATE for --max-rate. Separate several values"
    " by spaces. It takes precedence over batcher.toml, and the command line over it.",
    _NAMES: "The credentials to sign requests with. If they are not set, HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK and"
    " HUAWEICLOUD_SDK_SECURITY_TOKEN are used, else HW_ACCESS_KEY, HW_SECRET_KEY and HW_SECURITY_TOKEN.",
    "OBS_ENDPOINT": "The service endpoint, if neither --endpoint nor BATCHER_ENDPOINT is set.",
}


def man(_: ManOptions) -> ExitCode:
    """Print the page."""
    print(page(), end="")
    return ExitCode.OK


def page() -> str:
    """Return the manual page of the whole command."""
    return roff.title("batcher", __version__) + "".join(
        (
            roff.section("name", f"batcher \\- {roff.escaped(SUMMARY[0].lower() + SUMMARY[1:].rstrip('.'))}\n"),
            roff.section("synopsis", "".join(f".PP\n{roff.escaped(_usage(verb))}\n" for verb in VERBS)),
            roff.section("description", roff.paragraphs(_description())),
            roff.section("commands", "".join(roff.subsection(f"batcher {verb}", _verb(verb)) for verb in VERBS)),
            roff.section("exit status", roff.definitions((str(code.value), text) for code, text in MEANINGS.items())),
            roff.section("environment", roff.definitions(ENVIRONMENT.items())),
            roff.section("files", roff.definitions(FILES)),
        )
    )


def _description() -> str:
    return f"{SUMMARY}\n\nEach command has its own help: batcher COMMAND --help. Start with batcher run."


def _verb(name: str) -> str:
    verb = module_of(name)
    parts = (
        f"{roff.paragraphs(f'{heading}:')}{roff.definitions(entries)}" for heading, entries in panels(verb.OPTIONS)
    )
    return roff.paragraphs(verb.HELP) + "".join(parts)


def _usage(name: str) -> str:
    return f"batcher {name} {usage(module_of(name).OPTIONS)}"
