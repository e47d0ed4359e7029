"""`batcher emulator` as a person or a script meets it: a process of its own."""

import http.client
import json
import signal
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlencode

import pytest
from conftest import CREDENTIALS, KEYS

from batcher.emulator.faults import FaultKind
from batcher.emulator.quirks import Group, Quirk
from batcher.emulator.settings import MADE_UP
from batcher.rules.service.signing import signed_headers

START = "/v2/workflows/transcode"


def _start(url, credentials, body, now):
    """Send one start and give the status and the JSON of its answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    try:
        connection.request("POST", START, json.dumps(body), signed_headers(credentials, "POST", START, now=now))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture
def now():
    """Give the date that a real client would: the emulator's process has the machine's clock."""
    return time.time()


def test_the_command_serves_and_sums_up_when_it_is_told_to_end(emulator_process, tmp_path, now):
    ledger = tmp_path / "starts.jsonl"
    running = emulator_process("--parameter", "template-id:integer", "--ledger", str(ledger))
    body = {"bucket": "b", "object": "o", "inputs": {"template-id": 1}}
    answers = [_start(running.url, CREDENTIALS, body, now) for _ in range(2)]
    with urllib.request.urlopen(running.url + "/emulator/ledger") as told:
        assert json.load(told) == {
            "starts": 2,
            "distinct": 1,
            "most_running": 2,
            "twice": [["b", "o", 2]],
            "requests": {"start": 2},
            "answers": {"200": 2},
        }
    code, rest, errors = running.end()
    assert [status for status, _ in answers] == [200, 200]
    assert [json.loads(line)["execution_name"] for line in ledger.read_text().splitlines()] == [
        document["execution_name"] for _, document in answers
    ]
    assert (code, rest) == (0, f"export OBS_ENDPOINT={running.url}\n")
    assert errors == "batcher: 2 requests, 2 starts, 1 distinct, 1 started twice\n"


def test_the_command_makes_up_keys_and_prints_them_where_there_are_none(emulator_process, now):
    running = emulator_process(keys={})
    assert _start(running.url, MADE_UP, {"bucket": "b", "object": "o"}, now)[0] == 200
    _, rest, _ = running.end()
    assert rest.splitlines() == [
        f"export OBS_ENDPOINT={running.url}",
        "export OBS_ACCESS_KEY_ID=EMULATORACCESSKEY0",
        "export OBS_SECRET_ACCESS_KEY=emulator-secret-key",
    ]


def test_the_command_ends_on_an_interrupt_and_lets_go_of_what_hangs(emulator_process, now):
    running = emulator_process("--fault", "hang-after=100%")
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"))
    headers = signed_headers(CREDENTIALS, "POST", START, now=now)
    connection.request("POST", START, b'{"bucket": "b", "object": "o"}', headers)
    starts = 0
    while not starts:
        with urllib.request.urlopen(running.url + "/emulator/ledger") as told:
            starts = json.load(told)["starts"]
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=30) == 0
    with pytest.raises(ConnectionResetError):
        connection.getresponse()
    connection.close()


def test_the_command_ends_by_itself_after_its_duration(emulator_process):
    running = emulator_process("--duration", "0")
    assert running.process.wait(timeout=30) == 0
    assert running.errors.read_text() == "batcher: 0 requests, 0 starts, 0 distinct, 0 started twice\n"


def test_the_command_takes_quirks_with_and_without_a_value(emulator_process, now):
    running = emulator_process("--quirk", "created", "--quirk", "state=DONE", "--quirk", "days-only")
    assert _start(running.url, CREDENTIALS, {"bucket": "b", "object": "o"}, now)[0] == 201
    path, query = "/v2/workflowexecutions", [("x-workflow-graph-name", "transcode")]
    headers = signed_headers(CREDENTIALS, "GET", path, query, now=now)
    asked = urllib.request.Request(f"{running.url}{path}?{urlencode(query)}", headers=headers)
    with urllib.request.urlopen(asked) as answer:
        (listed,) = json.load(answer)["executions"]
    assert (listed["execution_state"], len(listed["started_at"])) == ("DONE", len("2026-11-24"))


def _emulator(*options, keys=KEYS):
    command = [sys.executable, "-m", "batcher", "emulator", *options]
    return subprocess.run(command, env=keys, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--fault", "explode=1"], "unknown fault 'explode'"),
        (["--fault", "slow=150%"], "1.5 is not a share"),
        (["--parameter", "template-id"], "'template-id' is not a parameter declaration"),
        (["--unknown-workflow", "404"], "'404' is not a refusal"),
        (["--quirk", "no-dates"], "unknown quirk 'no-dates'"),
        (["--quirk", "queue"], "quirk queue: a value is missing"),
        (["--quirk", "queue=long"], "quirk queue: 'long' is not a value for it"),
        (["--quirk", "neighbour"], "quirk neighbour: there is no other workflow"),
    ],
)
def test_a_wrong_option_is_a_usage_error_that_says_what_to_do(options, complaint):
    ended = _emulator(*options)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, advice = ended.stderr.splitlines()
    assert first.startswith("batcher: error: ")
    assert complaint in first
    assert advice.endswith(".")


def test_half_a_pair_of_keys_is_refused():
    ended = _emulator(keys={"OBS_ACCESS_KEY_ID": "A"})
    assert ended.returncode == 2
    assert "only one of OBS_ACCESS_KEY_ID and OBS_SECRET_ACCESS_KEY is set" in ended.stderr


def test_the_help_names_every_fault_and_every_quirk_with_its_meaning():
    shown = _emulator("--help").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert set(FaultKind) <= {words[0] for words in lines if len(words) > 1}
    assert set(Quirk) <= {words[0].partition("=")[0].removesuffix("[") for words in lines if len(words) > 1}
    assert ["batcher", "emulator", "--port", "8080"] in [words[:4] for words in lines]
    # The quirks of a group are under its heading, and fit a terminal of 80 columns.
    quirks = ["  Quirks: " + text for text in shown.partition("\nService:")[0].split("\n\n  Quirks: ")[1:]]
    assert [text.splitlines()[0] for text in quirks] == [f"  Quirks: {group}" for group in Group]
    assert max(len(line) for text in quirks for line in text.splitlines()) <= 80
