"""Every flag of every verb, set by the command line, the environment, the file, or not at all."""

import json
import subprocess
import sys
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin, get_type_hints

import pytest
import typer
from independent import judging
from test_command import ENVIRONMENT, batcher

from batcher.cli.config_file import function_of
from batcher.cli.configured import key, options, places, source
from batcher.cli.verbs import VERBS, verb_command
from batcher.emulator.quirks import Quirk

FLAGS = {f"{verb} --{key(option)}": (verb, option) for verb in VERBS for option in options(verb_command(verb))}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("OBS_ENDPOINT", "BATCHER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def parsed(verb, *words):
    """Give the context of a verb that is called with these words, none of which it needs."""
    command = verb_command(verb)
    for param in command.params:
        param.required = False
    return command.make_context(verb, list(words))


@contextmanager
def refused():
    with pytest.raises(typer.Exit) as ended:
        yield
    assert ended.value.exit_code == 2


def samples(verb, option):
    """Give three values of a flag's kind, each as text for a shell, and the kind."""
    hint = get_type_hints(function_of(verb))[option.name]
    kind = next((each for each in get_args(hint) if each is not NoneType), hint) if NoneType in get_args(hint) else hint
    if get_origin(kind) is list:
        kind = get_args(kind)[0]
    if issubclass(kind, Enum):
        return kind, [str(each.value) for each in (list(kind) * 3)[:3]]
    return kind, {bool: ["true", "false", "true"], int: ["7", "8", "9"], float: ["7.5", "8.5", "9.5"]}.get(
        kind, ["a", "b", "c"]
    )


def read(kind, text, option):
    value = text == "true" if kind is bool else kind(text)
    return [value] if option.multiple else value


def plain(value):
    """Give a value as it stands before the verb is called: typer makes paths and lists of some only then."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


@pytest.mark.parametrize("flag", FLAGS)
def test_the_command_line_goes_before_the_environment_that_before_the_file_and_that_before_the_default(
    folder, monkeypatch, flag
):
    verb, option = FLAGS[flag]
    kind, (in_file, in_environment, in_words) = samples(verb, option)
    name = f"BATCHER_{key(option).upper().replace('-', '_')}"
    monkeypatch.delenv(name, raising=False)
    unset = parsed(verb)
    assert source(unset, option.name) == "DEFAULT"
    bare = in_file if kind in {bool, int, float} else json.dumps(in_file)
    (folder / "batcher.toml").write_text(f"{key(option)} = {bare}\n")
    by_file = parsed(verb)
    monkeypatch.setenv(name, in_environment)
    by_environment = parsed(verb)
    by_words = parsed(verb, *([f"--{key(option)}"] if kind is bool else [f"--{key(option)}", in_words]))
    given = [plain(context.params[option.name]) for context in (by_file, by_environment, by_words)]
    assert given == [plain(read(kind, text, option)) for text in (in_file, in_environment, in_words)]
    assert [source(context, option.name) for context in (by_file, by_environment, by_words)] == [
        "DEFAULT_MAP",
        "ENVIRONMENT",
        "COMMANDLINE",
    ]
    assert places(by_file)[option.name] == (Path("batcher.toml"), key(option))


async def test_config_shows_every_flag_of_every_verb_and_where_its_value_comes_from(folder):
    (folder / "batcher.toml").write_text(
        'timeout = 4\n[reconcile]\nsettle-time = 100\n[run]\ninput = ["a=1", "b:=2"]\n'
    )
    environment = ENVIRONMENT | {"BATCHER_MAX_RATE": "5", "OBS_ENDPOINT": "https://obs.example.com"}
    ran = await batcher("config", "--json", environment=environment)
    assert (ran.code, ran.stderr) == (0, ""), ran
    shown = json.loads(ran.stdout)
    assert {f"{verb} --{name}" for verb, values in shown.items() for name in values} == set(FLAGS)
    file = folder / "batcher.toml"
    assert shown["run"]["timeout"] == {"value": 4.0, "source": "file", "where": f"{file}: timeout"}
    assert shown["run"]["input"] == {"value": ["a=1", "b:=2"], "source": "file", "where": f"{file}: run.input"}
    assert shown["reconcile"]["settle-time"]["where"] == f"{file}: reconcile.settle-time"
    assert shown["run"]["settle-time"] == {"value": 30.0, "source": "default", "where": "default"}
    assert shown["run"]["max-rate"] == {"value": 5.0, "source": "environment", "where": "BATCHER_MAX_RATE"}
    assert shown["run"]["endpoint"]["where"] == "OBS_ENDPOINT"


async def test_config_takes_a_verbs_flags_as_that_verb_would(folder):
    (folder / "mine.toml").write_text('region = "cn-north-4"\n')
    ran = await batcher("config", "run", "--config", "mine.toml", "--max-rate", "200", "-w", "transcode")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in ran.stdout.splitlines()[1:]}
    assert lines["max-rate"] == ["200.0", "command line"]
    assert lines["workflow"] == ['"transcode"', "command line"]
    assert lines["region"] == ['"cn-north-4"', f"{folder / 'mine.toml'}: region"]
    assert [(await batcher("config", "run", *words)).code for words in (["--max-rate", "x"], ["--nope"])] == [2, 2]
    assert "no such verb" in (await batcher("config", "ran")).stderr


async def test_a_job_runs_by_its_file_alone_and_names_what_the_file_has_set(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        settings = f'workflow = "transcode"\nbucket = "videos"\nendpoint = "{judge.url}"\nledger = "for the emulator"\n'
        (folder / "batcher.toml").write_text(settings)
        ran = await batcher("run", "m.txt")
        assert ran.code == 0, ran
        assert judge.objects() == ["a"]
    assert ran.stderr.splitlines()[0] == "batcher: settings of batcher.toml: workflow, bucket, endpoint"


def test_the_file_is_the_one_that_is_named_and_must_be_there_then(folder, monkeypatch, capsys):
    (folder / "batcher.toml").write_text("timeout = 4\n")
    (folder / "other.toml").write_text("timeout = 5\n")
    (folder / "third.toml").write_text("timeout = 6\n")
    assert parsed("run").params["timeout"] == 4
    monkeypatch.setenv("BATCHER_CONFIG", "other.toml")
    assert parsed("run").params["timeout"] == 5
    assert parsed("run", "--config", "third.toml").params["timeout"] == 6
    with refused():
        parsed("run", "--config", "fourth.toml")
    assert "fourth.toml: there is no such file" in capsys.readouterr().err


def test_a_verbs_table_goes_before_what_is_for_all(folder):
    (folder / "batcher.toml").write_text("settle-time = 1\n[run]\nsettle-time = 2\n")
    assert [parsed(verb).params["settle_time"] for verb in ("run", "reconcile")] == [2, 1]


@pytest.mark.usefixtures("folder")
def test_endpoint_and_region_together_on_the_command_line_are_refused():
    with pytest.raises(typer.BadParameter, match="--endpoint and --region say the same"):
        parsed("run", "-e", "https://x", "--region", "y")


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_is_no_finite_number_is_refused_wherever_it_comes_from(folder, monkeypatch, text):
    for verb in VERBS:
        for option in options(verb_command(verb)):
            if option.type.name.startswith("float"):
                with pytest.raises(typer.BadParameter, match=f"{text} is not|{text} is not in the range"):
                    parsed(verb, f"--{key(option)}={text}")
    monkeypatch.setenv("BATCHER_SETTLE_TIME", text)
    with pytest.raises(typer.BadParameter):
        parsed("run")
    monkeypatch.delenv("BATCHER_SETTLE_TIME")
    (folder / "batcher.toml").write_text(f"settle-time = {text}\n")
    with refused():
        parsed("run")


def test_what_is_paid_for_is_accepted_on_the_command_line_alone(folder, monkeypatch):
    monkeypatch.setenv("BATCHER_I_ACCEPT_ONE_START", "1")
    assert parsed("doctor").params["accepted"] is False
    assert parsed("doctor", "--i-accept-one-start").params["accepted"] is True
    (folder / "batcher.toml").write_text("i-accept-one-start = true\n")
    with refused():
        parsed("doctor")


async def test_a_password_in_an_address_is_not_shown():
    shown = await batcher("config", "run", "-e", "https://u:S3cret@h/p")
    assert "S3cret" not in shown.stdout + shown.stderr
    assert "https://***@h/p" in shown.stdout


@pytest.mark.parametrize(
    ("environment", "words", "expected"),
    [
        ({}, [], {"endpoint": "https://of.file", "region": None}),
        ({}, ["--region", "cn-north-4"], {"endpoint": None, "region": "cn-north-4"}),
        ({"BATCHER_REGION": "cn-north-4"}, [], {"endpoint": None, "region": "cn-north-4"}),
        ({"OBS_ENDPOINT": "https://of.env"}, ["--region", "cn-north-4"], {"endpoint": None, "region": "cn-north-4"}),
        ({"BATCHER_REGION": "cn-north-4"}, ["-e", "https://x"], {"endpoint": "https://x", "region": None}),
    ],
)
def test_of_endpoint_and_region_the_one_that_is_given_more_directly_counts(
    folder, monkeypatch, environment, words, expected
):
    (folder / "batcher.toml").write_text('endpoint = "https://of.file"\n')
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = parsed("run", *words)
    assert {name: context.params[name] for name in expected} == expected
    outdone = [name for name, value in expected.items() if value is None]
    assert all(source(context, name) == "DEFAULT" for name in outdone)


WRONG = {
    "an unknown key": ("max_rate = 1", "max_rate: there is no such key", "Did you mean max-rate?"),
    "one like none": ("zzzzzz = 1", "zzzzzz: there is no such key", "batcher config names every key."),
    "another verb's in a table": ("[run]\nrows = 'in_doubt'", "run.rows: there is no such key", "batcher config"),
    "an unknown verb": ("[runs]\nlimit = 1", "[runs]: there is no such key", "Did you mean run?"),
    "text for a number": ("limit = '5'", "limit: expected a whole number", ""),
    "a fraction for a whole number": ("limit = 5.5", "limit: expected a whole number", ""),
    "true for a number": ("max-rate = true", "max-rate: expected a number", ""),
    "a number for true": ("trust-503 = 1", "trust-503: expected true or false", ""),
    "a number for a name": ("output = 1", "output: expected a file's name in quotes", ""),
    "true for text": ("bucket = true", "bucket: expected text in quotes", ""),
    "a time for text": ("stop-at = 06:30:00", "stop-at: expected text in quotes", ""),
    "a list for one": ("bucket = ['a']", "bucket: expected text in quotes", ""),
    "a list of numbers": ("input = [1.5]", "input: expected text in quotes", ""),
    "a table for a flag": ("[input]\nx = 1", "[input]: there is no such key", ""),
    "none of the choices": ("on-doubt = 'wait'", "on-doubt: expected one of reconcile, hold, resend", ""),
    "out of bounds": ("[run]\nconcurrency = 0", "run.concurrency: ", "See the verb's --help."),
    "no TOML": ("limit =", "not TOML: ", "toml.io"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_in_the_file_is_told_with_its_place_and_what_would_be_right(folder, case, capsys):
    text, told, advice = WRONG[case]
    (folder / "batcher.toml").write_text(text + "\n")
    with refused():
        parsed("run")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"batcher: error: batcher.toml: {told}")
    assert advice in second


@pytest.mark.parametrize(
    "name",
    ["ak", "sk", "access-key", "OBS_ACCESS_KEY_ID", "secret_key", "obs-secret-access-key", "security-token", "password",
     "run.sk", "hw_ak", "credentials-file"],
)  # fmt: skip
def test_a_key_that_looks_like_a_secret_is_refused_and_not_repeated(folder, name, capsys):
    (folder / "batcher.toml").write_text(f'{name} = "CANARY"\n')
    with refused():
        parsed("run")
    told = capsys.readouterr().err
    assert "this file holds no secrets" in told
    assert "CANARY" not in told


def test_a_secret_in_the_wrong_place_is_not_repeated(folder, capsys):
    (folder / "batcher.toml").write_text('credentials = "CANARY"\n')
    with refused():
        parsed("run")
    assert "CANARY" not in capsys.readouterr().err


def test_several_values_are_a_list_in_the_file_and_words_in_the_environment(folder, monkeypatch):
    (folder / "batcher.toml").write_text("quirk = ['created', 'no-date']\nworkflow = 'one'\n")
    context = parsed("emulator")
    assert list(context.params["quirk"]) == [Quirk.CREATED, Quirk.NO_DATE]
    assert list(context.params["workflow"]) == ["one"]
    monkeypatch.setenv("BATCHER_INPUT", "a=1 b:=2")
    assert list(parsed("run").params["inputs"]) == ["a=1", "b:=2"]


def test_a_help_reads_no_file_and_that_of_all_verbs_imports_nothing_for_it(folder):
    (folder / "batcher.toml").write_text("limit =\n")
    script = (
        "import sys\n"
        "from batcher.cli.main import app\n"
        "try:\n    app(sys.argv[1:], prog_name='batcher')\n"
        "except SystemExit as ended:\n    print(ended.code, *sorted(sys.modules))\n"
    )
    shown = {}
    for words in ("--help", "run --help"):
        command = [sys.executable, "-c", script, *words.split()]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT, timeout=60)
        code, *shown[words] = ran.stdout.splitlines()[-1].split()
        assert code == "0", ran.stdout
    ours = {name for name in shown["--help"] if name.startswith("batcher")}
    assert ours == {"batcher", "batcher.cli", "batcher.cli.main", "batcher.cli.streams", "batcher.cli.verbs"}
    assert {"tomllib", "pydantic", "rich", "asyncio"}.isdisjoint(shown["--help"])
    assert {"tomllib", "batcher.cli.config_file"}.isdisjoint(shown["run --help"])
