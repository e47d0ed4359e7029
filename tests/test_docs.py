"""The documentation: its blocks run as written and print what the pages show; its links, names and lengths hold."""

import os
import re

import pytest
from documentation import (
    NEEDS_AN_ACCOUNT,
    NOT_RUN,
    PAGES,
    PROJECT,
    SETS_UP,
    DocumentationError,
    blocks,
    differences,
    masked,
    run_page,
    updated,
)

from batcher.errors import ExitCode

README, DESIGN = PROJECT / "README.md", PROJECT / "DESIGN.md"
ALL = (
    *PAGES,
    *(PROJECT / name for name in ("DESIGN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/RESULTS.md")),
)
WITH_BLOCKS = [page for page in PAGES if any(block.is_run for block in blocks(page.read_text()))]
OTHER_TOOLS = {
    *("--delay", "--joblog", "--resume", "--retries"),
    *("--dashboard-address", "--host", "--no-dashboard", "--nthreads", "--protocol"),
}
"""Flags of the tools that a page compares with, and of Dask."""


def named(page):
    return str(page.relative_to(PROJECT))


@pytest.mark.parametrize("path", WITH_BLOCKS, ids=named)
def test_the_blocks_of_a_page_run_and_print_what_it_shows(path):
    assert differences(run_page(path.read_text())) == []


def test_every_shell_and_python_block_is_run_unless_it_needs_an_account_or_sets_up_the_environment():
    comments = {
        block.comment
        for path in ALL
        for block in blocks(path.read_text())
        if block.language in {"sh", "python"} and not block.is_run
    }
    assert comments == {NEEDS_AN_ACCOUNT, SETS_UP} == NOT_RUN


def test_only_blocks_that_are_not_run_make_an_environment_or_name_a_region():
    run = "".join(block.text for path in ALL for block in blocks(path.read_text()) if block.is_run)
    assert not re.search(r"\bpip\b|\bmake\b|--region\b", run)


def test_the_readme_begins_with_its_two_commands():
    first = blocks(README.read_text())[0]
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == ["make demo", "make test"]


@pytest.mark.parametrize(("path", "most"), [(README, 200), (DESIGN, 120)], ids=["README", "DESIGN"])
def test_a_page_to_begin_with_is_short(path, most):
    assert len(path.read_text().splitlines()) <= most


def test_every_link_leads_to_a_file_or_a_heading():
    broken = []
    for path in ALL:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if not target.startswith("https://"):
                file, _, heading = target.partition("#")
                page = path.parent / file if file else path
                if not page.is_file() or (heading and heading not in headings(page)):
                    broken.append(f"{named(path)}: {target}")
    assert broken == []


def headings(page):
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_page_is_reached_from_the_readme():
    reached, left = set(), [README]
    while left:
        page = left.pop()
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)\)", page.read_text())
        left += {(page.parent / target).resolve() for target in targets if ":" not in target} - reached
    assert set(PAGES) - reached == set()


def test_every_test_and_every_target_that_a_page_names_is_there():
    text = "".join(path.read_text() for path in ALL)
    assert {name for name in re.findall(r"\btest_\w+\.py\b", text) if not (PROJECT / "tests" / name).is_file()} == set()
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) - targets == set()


def test_every_flag_that_a_page_names_is_in_the_manual():
    manual = run_page("```sh\nbatcher man\n```\n")[0].printed.replace("\\-", "-")
    flags = {
        flag
        for path in PAGES
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", path.read_text())
        if flag not in OTHER_TOOLS
    }
    assert {flag for flag in flags if not re.search(rf"{flag}(?![a-z0-9-])", manual)} <= {"--install-completion"}


def test_the_readme_names_every_exit_code():
    table = README.read_text().split("## Exit codes")[1].split("##")[0]
    codes = [int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")]
    assert codes == sorted(ExitCode)


def test_a_block_knows_its_language_its_place_and_the_comment_before_it():
    page = f"# A\n\n{SETS_UP}\n```sh\nmake\n```\n\nText.\n\n```python\nprint(1)\n```\n"
    made, run = blocks(page)
    assert (made.language, made.text, made.comment, made.is_run) == ("sh", "make\n", SETS_UP, False)
    assert (run.language, run.text, run.comment, run.is_run) == ("python", "print(1)\n", "", True)
    assert page.splitlines()[run.begin : run.end] == ["print(1)"]


def test_a_page_that_shows_something_else_is_seen_and_updated():
    page = "```sh\nprintf 'a\\n1.5 s\\n'\n```\n\n```text\nb\n```\n\n```python\nprint(2)\n```\n\n```text\n2\n```\n"
    results = run_page(page)
    assert differences(results)[-3:] == ["-b", "+a", "+NUMBER s"]
    changed = updated(page, results)
    assert changed == page.replace("\nb\n", "\na\n1.5 s\n")
    assert updated(changed, run_page(changed.replace("1.5", "2.5"))) == changed


def test_a_command_that_fails_is_an_error_unless_the_page_shows_its_exit_code():
    with pytest.raises(DocumentationError, match="line 1: false: exit code 1"):
        run_page("```sh\nfalse\ntrue\n```\n")
    assert run_page("```sh\nfalse\necho $?\n```\n")[0].printed == "1\n"


def test_a_process_in_the_background_ends_with_its_page():
    page = "```sh\nsh -c 'echo $$; exec cat pipe' &\n```\n"
    (started,) = run_page(f"```sh\nmkfifo pipe\n```\n{page}")[1:]
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.printed), 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2026-11-29T19:16:09.298Z", "at 2027-01-01T00:00:00.000Z"),
        ("0:00:01, 19/s", "0:12:59, 7.5/s"),
        ("latency_ms=1.3", "latency_ms=12.3"),
        ('{"row":2}\n{"row":1}\n', '{"row":1}\n{"row":2}\n'),
        ("http://127.0.0.1:8080", "http://127.0.0.1:41234"),
        ("request id 000000000000000A", "request id 000000000000000B"),
    ],
)
def test_what_differs_between_two_runs_is_masked(one, other):
    assert masked(one) == masked(other)


@pytest.mark.parametrize(("one", "other"), [("2 started", "3 started"), ("HTTP 200", "HTTP 500"), ("row 1", "row 2")])
def test_what_must_not_differ_is_not_masked(one, other):
    assert masked(one) != masked(other)
