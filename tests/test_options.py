"""Options are declared once: what is derived from a declaration, everywhere, and what a declaration must have."""

import difflib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import time
from pathlib import Path

import pytest
from test_command import ENVIRONMENT

import batcher
from batcher.cli.help import panels
from batcher.cli.verbs import VERBS, module_of
from batcher.emulator.options import EmulatorOptions
from batcher.emulator.quirks import Quirk
from batcher.errors import UsageError
from batcher.options.declaring import declared_by, settable
from batcher.options.groups import GROUPS, General
from batcher.options.verbs import RateOptions, RunOptions

EVERY = {f"{verb} {each.name}": each for verb in VERBS for each in declared_by(module_of(verb).OPTIONS)}
JOB = {"manifest": "m.csv", "workflow": "transcode", "region": "cn-north-4"}
NEW = '    burst: Annotated[int, Option("Rows that are sent at once.", least=1, most=99)] = 7\n'
PROGRAM = """
import inspect, json, sys
import batcher
found = [inspect.signature(batcher.run).parameters["burst"].default]
for value in (99, 100, "8"):
    try:
        found.append(batcher.RunOptions(manifest="m.csv", workflow="transcode", burst=value).burst)
    except batcher.UsageError as error:
        found.append(str(error))
print(json.dumps(found))
"""


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Copy the package with one line more: a field among the options of the pace. Gives a way to run the copy."""
    monkeypatch.chdir(tmp_path)
    package = Path(batcher.__file__).parent
    shutil.copytree(package, tmp_path / "batcher", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "batcher" / "options" / "verbs.py"
    before = path.read_text()
    after = before.replace('    group = "Pace"\n\n', f'    group = "Pace"\n\n{NEW}')
    path.write_text(after)
    assert [line for line in difflib.ndiff(before.splitlines(1), after.splitlines(1)) if line[0] in "+-?"] == [
        f"+ {NEW}"
    ]

    def run(*words, **environment):
        known = ENVIRONMENT | {"PYTHONPATH": str(tmp_path), "COLUMNS": "100"} | environment
        return subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, check=False, env=known, timeout=60
        )

    return run


def test_a_field_that_is_declared_is_everywhere(copied):
    shown = copied("-m", "batcher", "run", "--help").stdout
    pace = " ".join(shown.split("\nPace:\n")[1].split("\n\n")[0].split())
    assert "--burst N Rows that are sent at once. [1 to 99; default: 7; env: BATCHER_BURST]" in pace
    page = copied("-m", "batcher", "man").stdout
    assert page.count(".B \\-\\-burst N\nRows that are sent at once.  [1 to 99; default: 7; env: BATCHER_BURST]") == 1
    config = ("-m", "batcher", "config", "run", "--json")
    by_default = copied(*config)
    by_environment = copied(*config, BATCHER_BURST="8")
    Path("batcher.toml").write_text("burst = 9\n")
    by_file = copied(*config)
    by_words = copied(*config, "--burst", "10", BATCHER_BURST="8")
    found = [json.loads(ran.stdout)["run"]["burst"] for ran in (by_default, by_environment, by_file, by_words)]
    assert [(each["value"], each["source"]) for each in found] == [
        (7, "default"),
        (8, "environment"),
        (9, "file"),
        (10, "command line"),
    ]


def test_the_bounds_of_a_declared_field_hold_everywhere(copied):
    run = ("-m", "batcher", "run", "m.csv", "-w", "transcode", "--region", "cn-north-4")
    errors = [copied(*run, "--burst", "100"), copied(*run, BATCHER_BURST="100")]
    Path("batcher.toml").write_text("burst = 100\n")
    errors.append(copied(*run))
    Path("batcher.toml").write_text("burts = 9\n")
    errors.append(copied(*run))
    assert [ran.returncode for ran in errors] == [2, 2, 2, 2]
    expected = "expected a whole number, 1 to 99"
    assert [ran.stderr.splitlines()[0].removeprefix("batcher: error: ") for ran in errors] == [
        f"--burst 100: {expected}",
        f"BATCHER_BURST: {expected}",
        f"batcher.toml: burst: {expected}",
        "batcher.toml: burts: no such key",
    ]
    assert errors[-1].stderr.splitlines()[1] == "batcher: Did you mean burst?"
    ran = copied("-c", PROGRAM)
    assert json.loads(ran.stdout) == [7, 99, f"burst=100: {expected}", f"burst='8': {expected}"]


@pytest.mark.parametrize("name", EVERY)
def test_an_option_has_a_help_a_group_and_a_name_in_the_environment(name):
    each = EVERY[name]
    assert each.option.help[0].isupper()
    assert each.option.help.endswith(".")
    assert each.flag.startswith("--")
    if each.option.is_argument:
        assert each.metavar.isupper()
    elif each.option.is_spoken:
        assert (
            each.name
            in {
                "is_accepted",
                "dismiss",
                "dry_run",
                "yes",
                "shard",
                "processes",
                "engine",
                "scheduler",
                "again",
                "relist",
                "on_end",
                "canary_passed",
            }
            or name == "doctor checkpoint"
        )
        assert each.environment == ()
    else:
        assert each.group in GROUPS
        assert each.environment[0] == f"BATCHER_{each.key.replace('-', '_').upper()}"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_panels_have_each_of_its_options_once_under_its_group(verb):
    found = [(heading, term) for heading, entries in panels(module_of(verb).OPTIONS) for term, _ in entries]
    declared = [*declared_by(module_of(verb).OPTIONS), *declared_by(General)]
    assert len(found) == len(declared) + 1
    for each in declared:
        words = each.metavar if each.option.is_argument else each.flag
        heading = "Arguments" if each.option.is_argument else each.group
        assert [head for head, term in found if words in term.split()] == [heading]


@pytest.mark.parametrize("verb", VERBS)
def test_no_two_options_of_a_verb_have_a_flag_in_common(verb):
    declared = [*declared_by(module_of(verb).OPTIONS), *declared_by(General)]
    flags = [flag for each in declared for flag in (each.flag, each.option.short) if flag]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("name", EVERY)
def test_what_an_option_shows_of_its_default_it_takes_again(name):
    each = EVERY[name]
    if each.default is not None and isinstance(
        each.default, bool | int | float | str | Path | tuple | frozenset | Mapping
    ):
        assert each.set(each.show(each.default)) == each.default


def test_quirks_are_shown_as_they_are_written_and_taken_as_a_mapping_or_as_pairs_too():
    (each,) = (each for each in declared_by(EmulatorOptions) if each.name == "quirks")
    written = ["created", "local-time=-5.5", "last-hours=0.00015", "list-date=1234567", "type=1.0", "duplicates=0.05"]
    taken = each.take(written)
    assert list(taken.values()) == [None, -5.5, 0.00015, 1_234_567.0, "1.0", 0.05]
    assert each.show(taken) == written
    assert each.take(taken) == each.take(tuple(taken.items())) == taken
    assert each.take("drops=5%") == {Quirk.DROPS: 0.05}


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match=r"^max_duratoin: no such argument$") as refused:
        RunOptions(**JOB, max_duratoin="1h")
    assert refused.value.advice == "Did you mean max_duration?"


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("max_outage", "1h30m", 5400.0),
        ("max_outage", 90, 90.0),
        ("stop_at", "6:30", time(6, 30)),
        ("inputs", ["a=1", "b:=[2]"], {"a": "1", "b": [2]}),
        ("inputs", {"a": None}, {"a": None}),
        ("storage_classes", ["standard", "Warm"], {"STANDARD", "WARM"}),
        ("storage_classes", "cold", {"COLD"}),
        ("storage_classes", iter(["cold"]), {"COLD"}),
        ("manifest", "-", None),
        ("log_level", "debug", "debug"),
        ("report", Path("r.html"), Path("r.html")),
    ],
)
def test_a_program_passes_values_as_a_person_writes_them_or_as_python_has_them(name, given, taken):
    assert getattr(RunOptions(**{**JOB, name: given}), name) == taken


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("max_rate", True), ("max_rate", "5"), ("limit", 5.0), ("concurrency", None.__class__), ("preflight", "no"),
        ("preflight", 0), ("manifest", 5), ("log_file", ["x"]), ("max_outage", -1), ("max_failures", 1.5),
        ("stop_at", 630), ("inputs", "a"), ("inputs", 5), ("timeout", 0.05), ("metrics_port", 65_536),
        ("format", "xls"), ("format", ["csv"]), ("bucket", True), ("storage_classes", [1.5]),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_refused_by_name(name, given):
    with pytest.raises(UsageError, match=rf"^{name}="):
        RunOptions(**{**JOB, name: given})


def test_what_follows_from_other_options_is_worked_out_where_it_is_not_given():
    options = RunOptions(**JOB)
    assert options.endpoint == "https://obs.cn-north-4.myhuaweicloud.com"
    assert (options.checkpoint, options.output) == (Path("m.csv.checkpoint"), Path("m.csv.executions.jsonl"))
    given = RunOptions(**JOB, checkpoint="c", output="o.csv")
    assert (given.checkpoint, given.output) == (Path("c"), Path("o.csv"))
    assert RunOptions(manifest="m", workflow="w", endpoint="https://x").endpoint == "https://x"


def test_options_show_what_was_given_and_do_not_change():
    options = RunOptions(**JOB, limit=5)
    assert repr(options) == (
        "RunOptions(workflow='transcode', region='cn-north-4', manifest=PosixPath('m.csv'), limit=5)"
    )
    with pytest.raises(AttributeError, match="limit cannot be set"):
        options.limit = 6
    assert (options.but(limit=7).limit, options.limit) == (7, 5)


def test_a_rate_is_a_number_or_auto():
    (option,) = (each for each in declared_by(RateOptions) if each.name == "rate")
    assert [option.read(text) for text in ("200", "0.5", "auto")] == [200.0, 0.5, None]
    for text in ("0", "-1", "nan", "inf", "fast", "1e9"):
        with pytest.raises(UsageError, match=r"^not a rate$"):
            option.read(text)


def test_what_is_paid_for_or_runs_a_command_or_cannot_be_undone_is_not_accepted_in_advance():
    spoken = [name for name, each in EVERY.items() if each.option.is_spoken]
    assert spoken == [
        "run shard",
        "run relist",
        "run again",
        "run canary_passed",
        "run processes",
        "run engine",
        "run scheduler",
        "run dry_run",
        "run yes",
        "run on_end",
        "list relist",
        "watch on_end",
        "redrive dry_run",
        "redrive on_end",
        "recover shard",
        "failures dismiss",
        "doctor is_accepted",
        "doctor checkpoint",
    ]
    for verb, name in map(str.split, spoken):
        assert name not in {each.name for each in settable(module_of(verb).OPTIONS)}
