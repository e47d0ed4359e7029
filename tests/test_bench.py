"""The benchmarks' own parts: the arithmetic, the page, and each client at fifty rows, held to have started them all."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from figures import Figure, Goal, difference, in_turn, microseconds, ratio, verdict
from interpreter import FLAGS, Interpreter, better, how_built
from peers import (
    Load,
    bare_loop,
    batcher,
    batcher_v3,
    check_records,
    hey,
    manifest,
    sdk_loop,
    sdk_loop_kept,
    sdk_v3_loop,
)
from report import BEGIN, END, put_between, results, table
from running import BenchError, pinned, run, tool
from server import late, nginx
from setting import Setting
from waits import first_start, resume
from workload import ANSWER, body

from batcher.edges.manifest import open_manifest
from batcher.rules.service.dialect import start_body
from bench import PAGE, measure

PROJECT = Path(__file__).parents[1]
ROWS = 50
MIB = 1 << 20
FIGURES = (
    Figure("CPU, over the loop's", 0.5, "{:.2f}", "50 us and 100 us", Goal(0.65, 0.45)),
    Figure("goodput", 0.987, "{:.1%}", "as seen", Goal(0.9, 0.97, at_least=True)),
    Figure("growth", 12.34, "{:+.1f} MiB", "since", Goal(10)),
    Figure("CPU per row", 81.25, "{:.1f} us", "9,000 starts/s"),
)
TABLE = """\
| what | measured | must | aim | holds | how |
| --- | --- | --- | --- | --- | --- |
| CPU, over the loop's | **0.50** | <= 0.65 | <= 0.45 | must | 50 us and 100 us |
| goodput | **98.7%** | >= 90.0% | >= 97.0% | aim | as seen |
| growth | **+12.3 MiB** | <= +10.0 MiB |  | missed | since |

| what | measured | and |
| --- | --- | --- |
| CPU per row | 81.2 us | 9,000 starts/s |"""


def _needs(name):
    try:
        tool(name)
    except BenchError as error:
        pytest.skip(str(error))


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians():
    assert ratio([2, 9, 4], [1, 3, 4]) == 2
    assert difference([2, 9, 4], [1, 3, 4]) == 1
    assert microseconds([3.0, 1.0, 2.0], 100_000) == "20.0 us"


def test_the_sides_take_turns():
    calls = []

    def side(name):
        return lambda: calls.append(name) or f"{name}{len(calls)}"

    assert in_turn(3, side("a"), side("b")) == [["a1", "a3", "a5"], ["b2", "b4", "b6"]]
    assert calls == ["a", "b", "a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("value", "goal", "expected"),
    [
        (0.45, Goal(0.65, 0.45), "aim"),
        (0.46, Goal(0.65, 0.45), "must"),
        (0.66, Goal(0.65, 0.45), "missed"),
        (15, Goal(10, 15, at_least=True), "aim"),
        (10, Goal(10, 15, at_least=True), "must"),
        (9.9, Goal(10, 15, at_least=True), "missed"),
        (10, Goal(10), "aim"),
        (10.1, Goal(10), "missed"),
        (10, None, ""),
    ],
)
def test_a_figure_keeps_its_aim_or_what_it_must_be_or_neither(value, goal, expected):
    assert verdict(Figure("", value, "{}", "", goal)) == expected


def test_fewer_rows_than_a_goal_is_for_are_not_held_against_it(tmp_path):
    goal = Goal(1, 0.4)
    assert Setting(tmp_path, 1000, 1).at_full_size(1000, goal) is goal
    assert Setting(tmp_path, 999, 1).at_full_size(1000, goal) is None


def test_figures_with_a_goal_and_figures_without_have_a_table_each():
    assert table(FIGURES) == TABLE
    assert table(FIGURES[3:]) == TABLE.partition("\n\n")[2]


def test_the_page_of_results_tells_the_machine_first():
    page = results(FIGURES, {"CPU": "one, 2 cores", "kernel": "Linux 6"}, "3 rounds.")
    assert page == f"# Results of `make bench`\n\n- CPU: one, 2 cores\n- kernel: Linux 6\n\n3 rounds.\n\n{TABLE}\n"


def test_a_table_replaces_what_stands_between_the_marks():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = put_between(page, TABLE)
    assert once == f"before\n{BEGIN}\n{TABLE}\n{END}\nafter\n"
    assert put_between(once, "old") == page


@pytest.mark.parametrize(
    "page", ["", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"]
)
def test_a_page_without_both_marks_once_is_left_alone(page):
    with pytest.raises(ValueError, match="once each"):
        put_between(page, TABLE)


def test_the_page_about_the_speed_has_a_place_for_the_table():
    page = PAGE.read_text()
    changed = put_between(page, "new")
    assert changed.count("new") == page.partition(BEGIN)[0].count("new") + page.partition(END)[2].count("new") + 1


def test_the_peers_send_the_bodies_that_batcher_sends(tmp_path):
    with open_manifest(manifest(tmp_path, ROWS), "csv") as opened:
        blocks = opened.blocks(bucket=None, static_inputs={}, parameters=None)
        bodies = [start_body(row) for block in blocks for row in block]
    assert bodies == [body(number) for number in range(ROWS)]


@pytest.mark.long(small=3 / 7, ci=1 / 2)
@pytest.mark.parametrize("client", [batcher, batcher_v3, bare_loop, sdk_loop, sdk_loop_kept, sdk_v3_loop, hey])
def test_a_client_starts_every_row_on_the_late_server(tmp_path, client):
    if client is hey:
        _needs("hey")
    with late(tmp_path, 0.005) as server:
        usage = client(tmp_path, server, Load(ROWS, 10))
        log = server.log()
        first = server.first(0)
    assert (log.served, log.first) == (ROWS, first)
    assert log.rate == ROWS / (log.last - log.first)
    assert usage.cpu > 0
    assert usage.peak > MIB


@pytest.mark.parametrize(("client", "questions"), [(batcher, 1), (bare_loop, 0)])
def test_a_client_starts_every_row_on_nginx_over_tls(tmp_path, client, questions):
    _needs("nginx")
    with nginx(tmp_path / "nginx", ANSWER, tls=True) as server:
        assert server.url.startswith("https://")
        client(tmp_path, server, Load(ROWS, 10))
        assert (server.served(), server.served()) == (ROWS + questions, ROWS + questions)


@pytest.mark.parametrize(
    ("client", "complaint"), [(batcher, "ended with 69"), (bare_loop, "CERTIFICATE_VERIFY_FAILED")]
)
def test_a_client_that_is_not_told_whom_to_trust_starts_nothing(tmp_path, client, complaint):
    _needs("nginx")
    with nginx(tmp_path / "nginx", ANSWER, tls=True) as server:
        server.trust = {}
        with pytest.raises(BenchError, match=complaint):
            client(tmp_path, server, Load(ROWS, 10))
        assert server.served() == 0


def test_a_request_too_many_at_the_server_makes_a_measurement_wrong(tmp_path):
    class Miscounting:
        def __init__(self, server):
            self.url, self.trust, self._server, self._asked = server.url, {}, server, 0

        def served(self):
            self._asked += 1
            return self._server.served() + self._asked

    with (
        late(tmp_path, 0) as server,
        pytest.raises(BenchError, match="50 rows, but the server served 51 requests"),
    ):
        bare_loop(tmp_path, Miscounting(server), Load(ROWS, 10))


def test_answers_that_are_not_good_make_a_measurement_wrong(tmp_path):
    records = tmp_path / "records.jsonl"
    records.write_text('{"status":"started"}\n' * 49 + '{"status":"in_doubt"}\n')
    with pytest.raises(BenchError, match="50 rows, but 50 records, 49 of them started"):
        check_records(records, ROWS)


def test_a_process_that_fails_or_lasts_too_long_makes_a_measurement_wrong(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(BenchError, match=r"ended with 3: no$"):
        run([sys.executable, "-c", "import sys; print('no', end=''); sys.exit(3)"], log)
    with pytest.raises(BenchError, match="ended with -9"):
        run([sys.executable, "-c", "import signal; signal.pause()"], log, timeout=0.1)


def test_a_process_is_told_its_greatest_memory_and_what_it_said(tmp_path):
    usage = run([sys.executable, "-c", "text = b'x' * (300 << 20); print(len(text))"], tmp_path / "log")
    assert usage.said == f"{300 << 20}\n"
    assert usage.peak > 300 * MIB


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins no process")
def test_a_pinned_process_has_its_core_alone(tmp_path):
    _needs("taskset")
    core = max(os.sched_getaffinity(0))
    command = pinned([sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"], core)
    assert run(command, tmp_path / "log").said == f"{{{core}}}\n"


def test_the_first_start_is_measured_and_the_run_ended(tmp_path):
    begun = time.monotonic()
    (figure,) = first_start(Setting(tmp_path, ROWS, 1))
    assert (figure.what, figure.goal) == ("first start after launch, 50 rows", None)
    assert 0 < figure.value < time.monotonic() - begun


def test_a_resume_starts_the_new_rows_only_on_the_same_port(tmp_path):
    begun = time.monotonic()
    (figure,) = resume(Setting(tmp_path, ROWS, 2))
    assert figure.detail == "median of 2; 25 rows are settled, 25 are new"
    assert 0 < figure.value < time.monotonic() - begun


PRESENT = Interpreter("present", (3, 11), (), 1.0)


@pytest.mark.parametrize(
    ("present", "others", "chosen"),
    [
        (PRESENT, [], "present"),
        (PRESENT._replace(flags=FLAGS), [Interpreter("other", (3, 11), FLAGS, 0.1)], "present"),
        (PRESENT, [Interpreter("other", (3, 11), (), 0.9)], "present"),
        (PRESENT, [Interpreter("unnamed", (3, 11), (), 0.7)], "unnamed"),
        (PRESENT, [Interpreter("named", (3, 11), FLAGS, 0.9)], "named"),
        (PRESENT, [Interpreter("newer", (3, 13), FLAGS, 0.5), Interpreter("same", (3, 11), FLAGS, 0.6)], "same"),
        (PRESENT, [Interpreter("newer", (3, 13), FLAGS, 0.5), Interpreter("same", (3, 11), (), 0.95)], "newer"),
    ],
)
def test_an_optimized_python_is_measured_with_where_there_is_one(present, others, chosen):
    assert better(present, others).path == chosen


def test_how_a_python_was_built_is_said_on_stderr_and_what_make_needs_on_stdout():
    command = [sys.executable, "bench/interpreter.py"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True)
    assert re.fullmatch(r"(PYTHON=\S+ VENV=\.venv-bench\n)?", ended.stdout)
    assert re.match(r"bench: Python 3\.\d+ at \S+, (not known to be )?built with --\S+", ended.stderr)
    assert how_built(FLAGS) == "built with --enable-optimizations and --with-lto"


def test_a_quick_round_judges_nothing_and_leaves_out_what_needs_a_missing_tool(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("running._PLACES", str(tmp_path))
    figures, _ = measure(["sdk", "few"], ROWS, 1, is_quick=True)
    assert [figure.what for figure in figures] == ["64 rows with 20 ms of service latency, launch to exit"]
    printed = capsys.readouterr().out
    assert "sdk: left out, nginx is missing: as root, apt-get install nginx-light" in printed
    assert "| what | measured | and |" in printed
    assert "must" not in printed


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["cpu", "nothing"], "no such measurement: nothing"),
        (["--rows", "2047"], "--rows must be at least 2048"),
        (["--rounds", "0"], "--rounds at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_run(words, complaint):
    command = [sys.executable, "bench/bench.py", *words]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert complaint in ended.stderr
