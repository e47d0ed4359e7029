"""`batcher doctor` as a person meets it: the real command against the real emulator, whose ledger counts the starts."""

import asyncio
import json
import stat
import subprocess
import tomllib
import urllib.request
from pathlib import Path

import pytest
from conftest import KEYS
from launching import run_to_end
from test_command import ENVIRONMENT

OBJECT = "in/clip 01.mp4"
ACCEPT = "--i-accept-one-start"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doctor(url, *words, key=OBJECT, environment=ENVIRONMENT):
    command = ["doctor", "-w", "transcode", "-e", url, "-b", "videos", "--object", key, *words]
    code, stdout, stderr = asyncio.run(run_to_end(command, environment | KEYS, Path.cwd()))
    assert b"Traceback" not in stderr
    return subprocess.CompletedProcess(command, code, stdout.decode(), stderr.decode())


def ledger(url):
    with urllib.request.urlopen(url + "/emulator/ledger") as told:
        return json.load(told)


def test_without_consent_it_says_what_it_would_do_and_sends_nothing(emulator_process, folder):
    url = emulator_process().url
    ran = doctor(url)
    assert (ran.returncode, ran.stdout) == (64, "")
    what, cost = ran.stderr.splitlines()
    assert f"would start ONE execution of transcode for videos/{OBJECT} at {url}" in what
    assert "billed" in cost
    assert "add --i-accept-one-start" in cost
    assert ledger(url)["requests"] == {}
    assert not (folder / "batcher.toml").exists()


def test_with_consent_one_start_is_announced_made_and_told_and_its_settings_are_written(emulator_process, folder):
    url = emulator_process("--parameter", "n:integer", "--past", "3", "--list-delay", "0.7").url
    ran = doctor(url, ACCEPT, "-i", "n:=7", "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    announced, started, following = ran.stderr.splitlines()
    assert f"starting ONE execution of transcode for videos/{OBJECT} now" in announced
    assert started == f"batcher: started: execution {told['execution_name']}"
    assert "next: batcher run" in following
    assert (ledger(url)["starts"], ledger(url)["requests"]["start"]) == (1, 1)
    points = {point["point"]: point["finding"] for point in told["points"]}
    assert "differs" not in points.values()
    assert [name for name, finding in points.items() if finding == "unseen"] == [
        "missing-object", "failure", "retention", "key-slash", "key-composed",
    ]  # fmt: skip
    settings = {"trust-503": False, "on-doubt": "reconcile", "settle-time": 30.0}
    assert tomllib.loads((folder / "batcher.toml").read_text()) == settings
    assert {name: setting["value"] for name, setting in told["settings"].items()} == settings
    assert stat.S_IMODE((folder / "batcher.toml").stat().st_mode) & 0o133 == 0


def test_what_a_person_wrote_stays_and_its_own_lines_are_replaced(emulator_process, folder):
    url = emulator_process("--list-forbidden").url
    theirs = '# mine\r\nworkflow = "other"\nsettle-time = 120 # mine\ninput = """\n[run]\n"""\n\n[run]\nmax-rate = 5\n'
    path = folder / "settings.toml"
    path.write_bytes(b'on-doubt = "reconcile"  # batcher doctor: of an earlier time\n' + theirs.encode())
    ran = doctor(url, ACCEPT, "--write", str(path))
    assert ran.returncode == 0, ran.stderr
    text = path.read_bytes().decode()
    assert text.endswith(theirs)
    assert tomllib.loads(text) == tomllib.loads(theirs) | {"trust-503": False, "on-doubt": "hold"}
    assert "differs    list " in ran.stdout
    assert '  on-doubt = "hold", since the execution list cannot be read' in ran.stdout
    assert [each.name for each in folder.glob("*settings*")] == ["settings.toml"]


def test_a_setting_of_a_persons_own_is_named_with_the_one_that_would_follow(emulator_process, folder):
    url = emulator_process().url
    (folder / "batcher.toml").write_text('on-doubt = "resend"\n')
    ran = doctor(url, ACCEPT)
    assert ran.returncode == 0, ran.stderr
    assert '  on-doubt = "resend", kept as you wrote it; this check suggests "reconcile"' in ran.stdout
    assert tomllib.loads((folder / "batcher.toml").read_text())["on-doubt"] == "resend"


def test_no_start_is_spent_on_inputs_that_the_workflow_does_not_take(emulator_process, folder):
    url = emulator_process("--parameter", "template-id:integer").url
    ran = doctor(url, ACCEPT)
    assert ran.returncode == 2, ran
    assert "template-id" in ran.stderr
    assert "nothing was started" in ran.stderr
    assert ledger(url)["starts"] == 0
    assert not (folder / "batcher.toml").exists()


@pytest.mark.parametrize("content", [b"on-doubt = \n", b"# caf\xe9\n"])
def test_no_start_is_spent_on_settings_that_have_no_place(emulator_process, folder, content):
    url = emulator_process().url
    (folder / "mine.toml").write_bytes(content)
    ran = doctor(url, ACCEPT, "--write", "mine.toml")
    assert ran.returncode == 2, ran
    assert "mine.toml: not " in ran.stderr
    assert ledger(url)["starts"] == 0
    assert (folder / "mine.toml").read_bytes() == content


def test_no_start_is_spent_where_the_settings_cannot_be_written(emulator_process):
    url = emulator_process().url
    ran = doctor(url, ACCEPT, "--write", "missing/mine.toml")
    assert (ran.returncode, ran.stdout) == (74, "")
    assert "with --write" in ran.stderr
    assert ledger(url)["starts"] == 0


def test_a_lost_answer_is_looked_for_and_an_execution_that_is_never_listed_stays_in_doubt(emulator_process, folder):
    url = emulator_process("--fault", "reset-after=100%", "--list-delay", "600").url
    ran = doctor(url, ACCEPT, "--patience", "1")
    assert ran.returncode == 3, ran
    assert "before another one is made" in ran.stderr
    assert (ledger(url)["starts"], ledger(url)["requests"]["start"]) == (1, 1)
    assert tomllib.loads((folder / "batcher.toml").read_text()) == {"trust-503": False, "on-doubt": "hold"}


def test_a_refused_start_and_a_missing_object_have_their_own_exit_codes(emulator_process, folder):
    refused = emulator_process("--fault", "429=100%").url
    missing = emulator_process("--reject-share", "1").url
    assert [doctor(url, ACCEPT).returncode for url in (refused, missing)] == [69, 1]
    assert [ledger(url)["requests"]["start"] for url in (refused, missing)] == [1, 1]
    assert not (folder / "batcher.toml").exists()


def test_wrong_keys_and_an_unknown_workflow_cost_no_start(emulator_process):
    running = emulator_process(keys={"OBS_ACCESS_KEY_ID": "another", "OBS_SECRET_ACCESS_KEY": "pair"})
    other = emulator_process("--workflow", "another")
    assert [doctor(each.url, ACCEPT).returncode for each in (running, other)] == [77, 69]
    assert ["start" in ledger(each.url)["requests"] for each in (running, other)] == [False, False]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--object", ""], "the key is missing or empty"),
        (["-b", "B!"], "--bucket B!"),
        (["-w", "../x"], "--workflow ../x"),
        (["-e", "http://obs.example.com"], "is not encrypted"),
        (["-i", "n"], "--input n"),
    ],
)
def test_what_cannot_be_is_told_before_anything_else(words, told):
    ran = doctor("http://127.0.0.1:1", ACCEPT, *words)
    assert ran.returncode == 2, ran
    assert told in ran.stderr


def test_no_secret_is_in_any_word_or_file(emulator_process, folder):
    url = emulator_process().url
    canary = ENVIRONMENT | {"OBS_SECURITY_TOKEN": "CANARYTOKEN"}
    ran = doctor(url, ACCEPT, environment=canary)
    assert ran.returncode == 77, ran
    everything = ran.stdout + ran.stderr + "".join(path.read_text() for path in folder.iterdir() if path.is_file())
    assert "CANARY" not in everything
    assert KEYS["OBS_SECRET_ACCESS_KEY"] not in everything
