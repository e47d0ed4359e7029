"""Every option of every verb, set by the command line, the environment, the file, or not at all."""

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import time
from pathlib import Path

import pytest
from click.core import ParameterSource
from independent import judging
from test_command import ENVIRONMENT, batcher

from batcher.cli.flags import options_of, places, source, verb_command
from batcher.cli.verbs import VERBS, module_of
from batcher.emulator.quirks import Quirk
from batcher.errors import UsageError
from batcher.options.declaring import settable
from batcher.options.kinds import DURATION, FLAG, NUMBER, WHOLE

OPTIONS = {f"{verb} {option.flag}": (verb, option) for verb in VERBS for option in settable(module_of(verb).OPTIONS)}
WRITTEN = {
    FLAG: ("true", "false", "true"),
    WHOLE: ("7", "8", "9"),
    NUMBER: ("7.5", "8.5", "9.5"),
    DURATION: ("7.5", "8.5", "1m30s"),
}
"""Three values of a kind, as text for a shell."""
BY_METAVAR = {
    "SIZE": ("7", "10M", "1.5GiB"),
    "DATE|AGE": ("2026-11-01", "7d", "2026-11-01T06:30Z"),
    "BUCKET=COUNT|FILE": ("a=7", "b=8", "c=keys.txt"),
    "SHARE": ("0.25", "5%", "1"),
    "HH:MM": ("06:30", "07:30", "23:59"),
    "N|P%": ("7", "5%", "9"),
    "P%": ("7", "5%", "9.5"),
    "NAME=VALUE": ("a=1", "a=2", "a:=3"),
    "KIND=SHARE": ("500=1%", "cut=0.5", "slow=1"),
    "NAME[=VALUE]": ("created", "local-time=-5.5", "state=DONE"),
    "NAME:TYPE": ("a:integer", "b:string=x", "c:map"),
    "STATUS:CODE": ("404:A", "404:B", "403:C"),
    "PORT": ("7", "8", "9"),
    "SECONDS": ("7", "8", "9"),
}


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
def refused(match=None):
    with pytest.raises(UsageError, match=match) as ended:
        yield ended
    assert ended.value.exit_code == 2


def samples(option):
    """Give three values of an option, each as text for a shell."""
    if option.kind in WRITTEN:
        return WRITTEN[option.kind]
    if option.metavar in BY_METAVAR:
        return BY_METAVAR[option.metavar]
    return (option.kind.choices * 3)[:3] or ("a", "b", "c")


@pytest.mark.parametrize("flag", OPTIONS)
def test_the_command_line_goes_before_the_environment_that_before_the_file_and_that_before_the_default(
    folder, monkeypatch, flag
):
    verb, option = OPTIONS[flag]
    in_file, in_environment, in_words = samples(option)
    name = f"BATCHER_{option.key.upper().replace('-', '_')}"
    monkeypatch.delenv(name, raising=False)
    assert source(parsed(verb), option.name) is ParameterSource.DEFAULT
    bare = in_file if option.kind in WRITTEN or option.kind.read is int else json.dumps(in_file)
    (folder / "batcher.toml").write_text(f"{option.key} = {bare}\n")
    by_file = parsed(verb)
    monkeypatch.setenv(name, in_environment)
    by_environment = parsed(verb)
    by_words = parsed(verb, *([option.flag] if option.kind == FLAG else [option.flag, in_words]))
    given = [context.params[option.name] for context in (by_file, by_environment, by_words)]
    read = {"true": True, "false": False} if option.kind == FLAG else {}
    texts = [in_file, in_environment, in_words]
    assert given == [option.read(read.get(text, [text] if option.kind.is_repeated else text)) for text in texts]
    assert len(set(map(repr, given))) == len(set(texts))
    assert [source(context, option.name) for context in (by_file, by_environment, by_words)] == [
        ParameterSource.DEFAULT_MAP,
        ParameterSource.ENVIRONMENT,
        ParameterSource.COMMANDLINE,
    ]
    assert places(by_file)[option.name] == (Path("batcher.toml"), option.key)
    assert getattr(options_of(by_words), option.name) == given[2]


async def test_config_shows_every_flag_of_every_verb_and_where_its_value_comes_from(folder):
    (folder / "batcher.toml").write_text(
        'timeout = 4\n[reconcile]\nsettle-time = 100\n[run]\ninput = ["a=1", "b:=2"]\n'
    )
    environment = ENVIRONMENT | {"BATCHER_MAX_RATE": "5", "OBS_ENDPOINT": "https://obs.example.com"}
    ran = await batcher("config", "--json", environment=environment)
    assert (ran.code, ran.stderr) == (0, ""), ran
    shown = json.loads(ran.stdout)
    assert {f"{verb} --{name}" for verb, values in shown.items() for name in values} == set(OPTIONS)
    file = folder / "batcher.toml"
    assert shown["run"]["timeout"] == {"value": 4.0, "source": "file", "where": f"{file}: timeout"}
    assert shown["run"]["input"] == {"value": ["a=1", "b:=2"], "source": "file", "where": f"{file}: run.input"}
    assert shown["reconcile"]["settle-time"]["where"] == f"{file}: reconcile.settle-time"
    assert shown["run"]["settle-time"] == {"value": None, "source": "default", "where": "default"}
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
    assert "no such command" in (await batcher("config", "ran")).stderr


async def test_a_job_runs_by_its_file_alone_and_names_what_the_file_has_set(folder):
    (folder / "m.txt").write_text("a\n")
    async with judging() as judge:
        settings = f'workflow = "transcode"\nbucket = "videos"\nendpoint = "{judge.url}"\nport = 8080\n'
        (folder / "batcher.toml").write_text(settings)
        ran = await batcher("run", "m.txt")
        assert ran.code == 0, ran
        assert judge.objects() == ["a"]
    settings = f"workflow, bucket, endpoint ({judge.url})"
    assert ran.stderr.splitlines()[0] == f"batcher: settings from batcher.toml: {settings}"


def test_the_file_is_the_one_that_is_named_and_must_be_there_then(folder, monkeypatch):
    (folder / "batcher.toml").write_text("timeout = 4\n")
    (folder / "other.toml").write_text("timeout = 5\n")
    (folder / "third.toml").write_text("timeout = 6\n")
    assert parsed("run").params["timeout"] == 4
    monkeypatch.setenv("BATCHER_CONFIG", "other.toml")
    assert parsed("run").params["timeout"] == 5
    assert parsed("run", "--config", "third.toml").params["timeout"] == 6
    with refused("fourth.toml: no such file"):
        parsed("run", "--config", "fourth.toml")


def test_a_verbs_table_goes_before_what_is_for_all(folder):
    (folder / "batcher.toml").write_text("settle-time = 1\n[run]\nsettle-time = 2\n")
    assert [parsed(verb).params["settle_time"] for verb in ("run", "reconcile")] == [2, 1]


@pytest.mark.usefixtures("folder")
def test_endpoint_and_region_together_on_the_command_line_are_refused():
    with refused("^--region and --endpoint cannot be combined; choose one$"):
        parsed("run", "-e", "https://x", "--region", "y")


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_is_no_finite_number_is_refused_wherever_it_comes_from(folder, monkeypatch, text):
    numbers = [each for each in OPTIONS.values() if each[1].kind in {NUMBER, DURATION}]
    assert len(numbers) > 10
    for verb, option in numbers:
        with refused(f"{option.flag} {text}: (expected a number|not a duration)"):
            parsed(verb, f"{option.flag}={text}")
    monkeypatch.setenv("BATCHER_SETTLE_TIME", text)
    with refused("^BATCHER_SETTLE_TIME: not a duration"):
        parsed("run")
    monkeypatch.delenv("BATCHER_SETTLE_TIME")
    (folder / "batcher.toml").write_text(f"settle-time = {text}\n")
    with refused("settle-time: expected a duration"):
        parsed("run")


def test_what_is_paid_for_is_accepted_on_the_command_line_alone(folder, monkeypatch):
    monkeypatch.setenv("BATCHER_I_ACCEPT_ONE_START", "1")
    assert parsed("doctor").params["is_accepted"] is False
    assert parsed("doctor", "--i-accept-one-start").params["is_accepted"] is True
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
    assert all(source(context, name) is ParameterSource.DEFAULT for name in outdone)


WRONG = {
    "an unknown key": ("max_rate = 1", "max_rate: no such key", "Did you mean max-rate?"),
    "one like none": ("zzzzzz = 1", "zzzzzz: no such key", "Run batcher config to list every key."),
    "another verb's in a table": ("[run]\nrows = 'in_doubt'", "run.rows: no such key", "batcher config"),
    "an unknown verb": ("[runs]\nlimit = 1", "[runs]: no such key", "Did you mean run?"),
    "text for a number": ("limit = '5'", "limit: expected a whole number, at least 1", ""),
    "a fraction for a whole number": ("limit = 5.5", "limit: expected a whole number, at least 1", ""),
    "true for a number": ("max-rate = true", "max-rate: expected a number, at least 0.001", ""),
    "a number for true": ("trust-503 = 1", "trust-503: expected true or false", ""),
    "a number for a name": ("output = 1", "output: expected a file name", ""),
    "true for text": ("bucket = true", "bucket: expected text", ""),
    "a time for text": ("bucket = 06:30:00", "bucket: expected text", ""),
    "a list for one": ("bucket = ['a']", "bucket: expected text", ""),
    "a list of numbers": ("input = [1.5]", "input: expected inputs by name", ""),
    "a table for a flag": ("[input]\nx = 1", "[input]: no such key", ""),
    "none of the choices": ("on-doubt = 'wait'", "on-doubt: expected one of reconcile, hold, resend", ""),
    "out of bounds": (
        "[run]\nconcurrency = 0",
        "run.concurrency: expected a whole number, 1 to 10,000",
        "See the --help of the command.",
    ),
    "no TOML": ("limit =", "not TOML: ", "toml.io"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_in_the_file_is_told_with_its_place_and_what_would_be_right(folder, case):
    text, told, advice = WRONG[case]
    (folder / "batcher.toml").write_text(text + "\n")
    with refused() as ended:
        parsed("run")
    assert str(ended.value).startswith(f"batcher.toml: {told}")
    assert ended.value.advice
    assert advice in ended.value.advice


@pytest.mark.parametrize(
    "name",
    ["ak", "sk", "access-key", "OBS_ACCESS_KEY_ID", "secret_key", "obs-secret-access-key", "security-token", "password",
     "run.sk", "hw_ak", "credentials-file"],
)  # fmt: skip
def test_a_key_that_looks_like_a_secret_is_refused_and_not_repeated(folder, name):
    (folder / "batcher.toml").write_text(f'{name} = "CANARY"\n')
    with refused("this file must not contain secrets") as ended:
        parsed("run")
    assert "CANARY" not in f"{ended.value} {ended.value.advice}"


def test_a_secret_in_the_wrong_place_is_not_repeated(folder, monkeypatch):
    (folder / "batcher.toml").write_text('credentials = "CANARY"\n')
    with refused("credentials: expected one of env, file, ecs") as by_file:
        parsed("run")
    (folder / "batcher.toml").unlink()
    monkeypatch.setenv("BATCHER_CREDENTIALS", "CANARY")
    with refused("BATCHER_CREDENTIALS: expected one of env, file, ecs") as by_environment:
        parsed("run")
    assert "CANARY" not in f"{by_file.value} {by_environment.value}"


def test_a_time_of_day_is_text_or_a_time_of_the_file(folder):
    for written in ('"06:30"', "06:30:00"):
        (folder / "batcher.toml").write_text(f"stop-at = {written}\n")
        assert parsed("run").params["stop_at"] == time(6, 30)


def test_several_values_are_a_list_in_the_file_and_words_in_the_environment(folder, monkeypatch):
    (folder / "batcher.toml").write_text("quirk = ['created', 'local-time=-5.5']\nworkflow = 'one'\n")
    context = parsed("emulator")
    assert context.params["quirks"] == {Quirk.CREATED: None, Quirk.LOCAL_TIME: -5.5}
    assert context.params["workflows"] == ("one",)
    monkeypatch.setenv("BATCHER_INPUT", "a=1 b:=2")
    assert parsed("run").params["inputs"] == {"a": "1", "b": 2}


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
    names = ("", ".cli", ".cli.ending", ".cli.main", ".cli.streams", ".cli.verbs", ".errors")
    assert ours == {f"batcher{name}" for name in names}
    assert {"tomllib", "pydantic", "rich", "asyncio"}.isdisjoint(shown["--help"])
    late = {
        "tomllib",
        "aiohttp",
        "asyncio",
        "orjson",
        "rich",
        "batcher.cli.config_file",
        "batcher.app",
        "batcher.edges",
    }
    assert late.isdisjoint(shown["run --help"])


@pytest.mark.parametrize(("verb", "flag"), [("run", "metrics_port"), ("emulator", "port")])
def test_what_kubernetes_sets_for_a_service_is_no_setting(monkeypatch, verb, flag):
    variable = f"BATCHER_{flag.upper()}"
    monkeypatch.setenv(variable, "tcp://10.0.0.7:9100")
    context = parsed(verb)
    assert source(context, flag) is ParameterSource.DEFAULT
    assert list(context.meta[f"batcher.links.{verb}"]) == [variable]
    monkeypatch.setenv(variable, "9100")
    assert parsed(verb).params[flag] == 9100
    for wrong in ("tcp://10.0.0.7", "http://10.0.0.7:9100"):
        monkeypatch.setenv(variable, wrong)
        with pytest.raises(UsageError, match=variable):
            parsed(verb)


async def test_a_variable_of_kubernetes_is_ignored_with_a_word_and_the_file_may_begin_with_a_mark(folder):
    (folder / "batcher.toml").write_bytes(b'\xef\xbb\xbfworkflow = "transcode"\r\nregion = "cn-north-4"\r\n')
    (folder / "m.txt").write_text("a\n")
    link = {"BATCHER_METRICS_PORT": "tcp://10.0.0.7:9100", "OBS_SECRET_ACCESS_KEY": ""}
    ran = await batcher("run", "m.txt", "-b", "videos", "--credentials", "env", environment=ENVIRONMENT | link)
    first, second, *_ = ran.stderr.splitlines()
    assert first.startswith("batcher: warning: BATCHER_METRICS_PORT is ignored: Kubernetes sets it")
    assert second == "batcher: settings from batcher.toml: workflow, region (cn-north-4)"
    assert ran.code == 77, ran
